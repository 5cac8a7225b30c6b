"""`st-vlm attach-media` as a user types it, from a folder and from a hub."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from gated_builds import contents
from local_hub import LocalHub
from published import publish, restricted

PUSH = Path(__file__).parents[2] / "hub_scripts" / "push_dataset.py"


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> tuple[Path, Path]:
    return restricted(tmp_path_factory.mktemp("built"))


def test_from_a_folder(st_vlm, built, tmp_path):
    publish(built[0], tmp_path / "set")
    code, out, err = st_vlm("attach-media", tmp_path / "set", "--source", "nuscenes", "--data", built[1])
    assert code == 0
    assert out == ""
    assert "2 clips made, 0 there already" in err
    assert contents(tmp_path / "set") == contents(built[0])
    code, _, err = st_vlm("attach-media", tmp_path / "set", "--source", "nuscenes", "--data", built[1])
    assert code == 0
    assert "0 clips made, 2 there already" in err


def test_a_recording_that_is_missing_is_told_at_the_end(st_vlm, built, tmp_path):
    publish(built[0], tmp_path / "set")
    shutil.copytree(built[1], tmp_path / "data")
    for image in (tmp_path / "data").rglob("*scene-0002*.jpg"):
        image.unlink()
    code, _, err = st_vlm("attach-media", tmp_path / "set", "--source", "nuscenes", "--data", tmp_path / "data")
    assert code == 1
    assert "scene-0002 (CAM_FRONT): " in err
    assert "Clips of 1 recording are still missing" in err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["nowhere/at/all", "--source", "nuscenes", "--data", "."], "There is no folder"),
        (["SET", "--source", "elsewhere", "--data", "."], "Unknown source"),
        (["SET", "--source", "nuscenes", "--data", "nowhere"], "There is no folder nowhere"),
        (["SET", "--source", "nuscenes", "--data", ".", "--revision", "v1"], "--revision is for a set on the Hub"),
        (["org/stkit", "--source", "nuscenes", "--data", "."], "give --out"),
        (["org/st..kit", "--source", "nuscenes", "--data", ".", "--out", "x"], "is no name of a repository"),
    ],
)
def test_refused(st_vlm, built, tmp_path, arguments, expected):
    publish(built[0], tmp_path / "SET")
    code, _, err = st_vlm("attach-media", *(str(tmp_path / one) if one == "SET" else one for one in arguments))
    assert code == 2
    assert expected in err


@pytest.mark.slow
def test_from_a_hub(built, tmp_path):
    def run(*command):
        return subprocess.run(
            [sys.executable, *map(str, command)],
            env=hub.environment(tmp_path / "home"),
            capture_output=True,
            text=True,
            timeout=120,
            cwd=tmp_path,
        )

    with LocalHub() as hub:
        assert run(PUSH, built[0], "org/stkit").returncode == 0
        attach = ("-m", "st_vlm.cli.main", "attach-media")
        done = run(*attach, "org/stkit", "--source", "nuscenes", "--data", built[1], "--out", "set")
        assert done.returncode == 0, done.stderr
        assert contents(tmp_path / "set") == contents(built[0])
        done = run(*attach, "org/other", "--source", "nuscenes", "--data", built[1], "--out", "other")
    assert done.returncode == 2
    assert "has no dataset org/other" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "other").exists()
