"""Repositories of any kind to the local hub and back, in clients of their own."""

import subprocess
import sys
from urllib.request import Request, urlopen

import pytest
from local_hub import TOKEN, LocalHub

PUSH = """
import sys
from pathlib import Path
from st_vlm.hub_scripts import hub

hub.MOST_FILES = int(sys.argv[4])
files = {str(p.relative_to(sys.argv[2])): p for p in sorted(Path(sys.argv[2]).rglob("*")) if p.is_file()}
done = hub.push(files, sys.argv[1], sys.argv[3], private=True, message="a set")
print(done.added, done.deleted, done.unchanged)
"""
FETCH = """
import sys
from st_vlm.errors import InputError
from st_vlm.hub_scripts.hub import fetch

try:
    print(fetch(sys.argv[1], sys.argv[2], sys.argv[3] or None))
except InputError as error:
    print("refused:", error)
"""


@pytest.fixture
def hub():
    with LocalHub() as one:
        yield one


@pytest.fixture
def client(hub, tmp_path):
    """Runs a script and returns what it prints."""

    def run(script, *arguments, token=TOKEN, home="home"):
        done = subprocess.run(
            [sys.executable, "-c", script, *map(str, arguments)],
            env=hub.environment(tmp_path / home, token),
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout.strip()

    return run


@pytest.fixture
def folder(tmp_path):
    out = tmp_path / "files"
    (out / "train" / "clips").mkdir(parents=True)
    (out / "README.md").write_text("---\nlicense: mit\n---\n")
    (out / "model.safetensors").write_bytes(bytes(range(256)) * 40)
    (out / "train" / "metadata.parquet").write_bytes(b"PAR1 rows PAR1")
    for k in range(5):
        (out / "train" / "clips" / f"{k}.mp4").write_bytes(b"clip %d" % k)
    return out


def test_a_model_goes_and_comes_back(hub, client, folder, tmp_path):
    assert client(PUSH, "org/tiny", folder, "model", 100) == "8 0 0"
    assert set(hub.repositories) == {("model", "org/tiny")}
    there = tmp_path / client(FETCH, "org/tiny", "model", "")
    for path in folder.rglob("*.*"):
        assert (there / path.relative_to(folder)).read_bytes() == path.read_bytes()
    first = hub.repositories["model", "org/tiny"].branches["main"]
    (folder / "README.md").write_text("---\nlicense: mit\n---\nNew.\n")
    assert client(PUSH, "org/tiny", folder, "model", 100) == "1 0 7"
    assert (tmp_path / client(FETCH, "org/tiny", "model", first) / "README.md").read_text().endswith("---\n")
    assert "no model org/tiny" in client(FETCH, "org/tiny", "model", "v9", home="other")


def test_a_private_repository_is_not_seen_by_strangers(client, folder):
    client(PUSH, "org/secret", folder, "dataset", 100)
    assert client(FETCH, "org/secret", "dataset", "", token=None, home="stranger").startswith("refused: The hub")
    assert "/datasets--org--secret/snapshots/" in client(FETCH, "org/secret", "dataset", "")


def test_of_many_files_the_tables_come_last(hub, client, folder):
    """No reader sees a row before its clip."""
    assert client(PUSH, "org/many", folder, "dataset", 3) == "8 0 0"
    repository = hub.repositories["dataset", "org/many"]
    assert repository.messages == ["initial commit", "a set", "a set (2)", "a set (3)"]
    held = [{path for path in files if path != ".gitattributes"} for files in repository.commits.values()]
    assert all(path.endswith(".mp4") for files in held[:-1] for path in files)
    assert len(held[-1]) == 8


def test_ranges_are_served(hub, client, folder):
    client(PUSH, "org/tiny", folder, "model", 100)
    content = (folder / "model.safetensors").read_bytes()
    for asked, expected in (("10-19", content[10:20]), ("-5", content[-5:]), ("10230-", content[10230:])):
        headers = {"Range": f"bytes={asked}", "Authorization": f"Bearer {TOKEN}"}
        with urlopen(Request(f"{hub.url}/org/tiny/resolve/main/model.safetensors", headers=headers)) as answer:
            assert answer.status == 206
            assert answer.read() == expected
