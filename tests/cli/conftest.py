"""The command line, run in this process."""

import sys

import pytest

from st_vlm.cli import main as command_line


@pytest.fixture
def st_vlm(capsys, monkeypatch):
    """Run `st-vlm ARGUMENTS`: (exit code, standard output, standard error)."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["st-vlm", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            command_line.main()
        return left.value.code, *capsys.readouterr()

    return run
