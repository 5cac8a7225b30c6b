"""A built folder to a hub over HTTP and back by stock `datasets`, and a hub that refuses."""

import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
from gated_builds import contents
from huggingface_hub.utils import hf_raise_for_status
from local_hub import READ_TOKEN, TOKEN, LocalHub, Repository
from published import free, mixed, restricted, rows_of
from st_vlm.hub_scripts import push_dataset
from st_vlm.hub_scripts.hub import told_of_refusals

from st_vlm.errors import InputError

SCRIPT = Path(__file__).parents[2] / "hub_scripts" / "push_dataset.py"
LOAD = """
import json, sys
from datasets import load_dataset
whole = load_dataset(sys.argv[1])
print(json.dumps({
    "whole": {split: list(rows) for split, rows in whole.items()},
    "streamed": {split: list(rows) for split, rows in load_dataset(sys.argv[1], streaming=True).items()},
    "one": len(load_dataset(sys.argv[1], split="train")),
    "decodes": whole["train"].features["video"].decode,
    "ours": [name for name in sys.modules if name.startswith("st_vlm")],
}))
"""


def run(command, environment, **options) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, *map(str, command)], env=environment, capture_output=True, text=True, timeout=120, **options
    )


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> dict[str, Path]:
    """Free clips, restricted ones, and both in one set."""
    folder = tmp_path_factory.mktemp("built")
    first, second = free(folder), restricted(folder)[0]
    return {"free": first, "restricted": second, "mixed": mixed(folder, first, second)}


@pytest.fixture
def hub():
    with LocalHub() as one:
        yield one


@pytest.fixture
def push(hub, tmp_path):
    """Runs the script: (exit code, standard output, standard error)."""

    def pushed(*arguments, token=TOKEN, **more):
        done = run([SCRIPT, *arguments], hub.environment(tmp_path / "home", token) | more)
        for secret in (TOKEN, READ_TOKEN):
            assert secret not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout, done.stderr

    return pushed


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["free", "restricted", "mixed"])
def test_stock_datasets_loads_what_was_pushed(hub, push, built, tmp_path, kind):
    code, out, _ = push(built[kind], "org/stkit")
    assert code == 0
    assert out.strip() == f"{hub.url}/datasets/org/stkit"
    done = run(["-c", LOAD, "org/stkit"], hub.environment(tmp_path / "reader", None), cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    loaded = json.loads(done.stdout)
    assert loaded["ours"] == []
    assert not loaded["decodes"]
    commit = hub.repositories["dataset", "org/stkit"].branches["main"]
    for split, rows in loaded["whole"].items():
        before = rows_of(built[kind], split)
        assert loaded["one"] == len(before) or split != "train"
        for row, streamed, expected in zip(rows, loaded["streamed"][split], before, strict=True):
            name = f"{split}/{expected.pop('file_name')}"
            video, remote = row.pop("video"), streamed.pop("video")
            assert row == streamed == expected
            if row["source"] == "nuscenes":
                assert video is None
                assert remote is None
                continue
            assert Path(video["path"]).read_bytes() == (built[kind] / name).read_bytes()
            assert remote["path"] == f"hf://datasets/org/stkit@{commit}/{name}"
    assert set(loaded["whole"]) == ({"train", "test"} if kind == "mixed" else {"train"})


def test_a_set_is_one_commit_and_a_second_push_sends_what_changed(hub, push, built, tmp_path):
    folder = tmp_path / "set"
    shutil.copytree(built["free"], folder)
    assert push(folder, "org/stkit", "--message", "first")[0] == 0
    repository = hub.repositories["dataset", "org/stkit"]
    assert repository.messages == ["initial commit", "first"]
    held = {path: content for path, content in repository.files().items() if path != ".gitattributes"}
    assert set(held) == set(contents(folder))
    uploads = len(hub.uploads)

    code, _, said = push(folder, "org/stkit", "--message", "second")
    assert code == 0
    assert "Nothing has changed" in said
    assert repository.messages == ["initial commit", "first"]

    gone = sorted(folder.glob("tracks/*"))[0]
    gone.unlink()
    (folder / "balance.json").write_text('{"shares": {}}')
    code, _, said = push(folder, "org/stkit", "--message", "third")
    assert code == 0
    assert "2 files uploaded, 1 removed" in said  # the note on balance, and the card that shows it
    assert repository.messages == ["initial commit", "first", "third"]
    assert set(repository.files()) == {".gitattributes", *contents(folder)}
    assert len(hub.uploads) == uploads


def test_an_interrupted_push_leaves_the_old_set_and_goes_on(hub, push, built):
    hub.refuse("POST /api/datasets/org/stkit/commit", 500, "out of order")
    code, _, said = push(built["free"], "org/stkit")
    assert code == 2
    assert "has a fault" in said
    repository = hub.repositories["dataset", "org/stkit"]
    assert set(repository.files()) == {".gitattributes"}
    sent = len(hub.uploads)
    hub.refusals.clear()
    assert push(built["free"], "org/stkit")[0] == 0
    assert len(hub.uploads) == sent


def test_a_branch_is_made_and_main_left_alone(hub, push, built):
    assert push(built["free"], "org/stkit", "--revision", "v1", "--private")[0] == 0
    repository = hub.repositories["dataset", "org/stkit"]
    assert repository.private
    assert "train/metadata.parquet" in repository.files("v1")
    assert set(repository.files()) == {".gitattributes"}


def test_nothing_private_goes_to_a_public_repository(hub, push, built):
    assert push(built["free"], "org/stkit")[0] == 0
    before = len(hub.requests)
    code, _, said = push(built["restricted"], "org/stkit", "--private")
    assert code == 2
    assert "is public" in said
    assert not any("commit" in request for request in hub.requests[before:])


def test_a_dry_run_asks_nothing_of_the_hub(hub, push, built):
    code, _, said = push(built["restricted"], "org/stkit", "--dry_run")
    assert code == 0
    assert "of nuscenes not uploaded" in said
    assert "would go to org/stkit" in said
    assert hub.requests == []


REFUSALS = {
    "no token": ({}, None, "does not know you"),
    "a token that may only read": ({}, READ_TOKEN, "use a token with write access"),
    "changed meanwhile": ({"request": "/api/datasets/.*/commit", "status": 412}, TOKEN, "changed by somebody else"),
    "too many requests": ({"request": "/api/repos/create", "status": 429}, TOKEN, "wait, and run the same command"),
    "YAML that it does not take": ({"request": "/api/validate-yaml", "status": 400}, TOKEN, "refused the dataset"),
    "a file that it does not take": ({"request": "PUT /lfs", "status": 413}, TOKEN, "too large"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_is_a_sentence(hub, push, built, name):
    refusal, token, expected = REFUSALS[name]
    if refusal:
        # A server that repeats what it was sent.
        hub.refuse(refusal["request"], refusal["status"], f"Bad luck with {TOKEN}.")
    code, out, said = push(built["free"], "org/stkit", token=token, HF_HUB_DISABLE_PROGRESS_BARS="1")
    assert code == 2
    assert out == ""
    assert expected in said
    assert said.count("\n") == 1
    assert said.startswith("push_dataset.py: ")


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, "refused"),
        (401, "does not know you"),
        (403, "write access"),
        (404, "has no dataset a/b"),
        (409, "is taken or was changed"),
        (429, "wait"),
        (500, "has a fault"),
        (503, "has a fault"),
    ],
)
def test_every_status_has_its_sentence(monkeypatch, status, expected):
    monkeypatch.setenv("HF_TOKEN", "secret-of-another-form")
    said = {"error": "No secret-of-another-form, hf_abcdef123 or Bearer xyz\nline two"}
    answer = httpx2.Response(status, json=said, request=httpx2.Request("POST", "http://hub/api/datasets/a/b/commit/x"))
    with pytest.raises(InputError, match=expected) as refused, told_of_refusals("a/b", "dataset"):
        hf_raise_for_status(answer)
    assert f"({status})" in str(refused.value)
    for secret in ("secret-of", "abcdef123", "xyz", "\n"):
        assert secret not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_model_of_that_name_is_not_overwritten(hub, push, built):
    hub.repositories["model", "org/stkit"] = Repository()
    hub.repositories["model", "org/stkit"].commit("main", {}, "initial commit")
    hub.refuse("POST /api/repos/create", 409, "You already created this repo")
    code, _, said = push(built["free"], "org/stkit")
    assert code == 2
    assert "org/stkit is a model" in said


def test_a_hub_that_is_not_there(push, built):
    with socket.socket() as free_port:
        free_port.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{free_port.getsockname()[1]}"
    code, _, said = push(built["free"], "org/stkit", HF_ENDPOINT=nobody)
    assert code == 2
    assert "cannot be reached" in said
    code, _, said = push(built["free"], "org/stkit", HF_HUB_OFFLINE="1")
    assert code == 2
    assert "HF_HUB_OFFLINE" in said


@pytest.mark.parametrize("name", ["stkit", "a/b/c", "org/..", "org/st kit", "org/-x", "org/a--b", ""])
def test_a_name_that_cannot_be_is_refused_at_once(built, name):
    with pytest.raises(InputError, match="is no name of a repository"):
        push_dataset.main([str(built["free"]), "--", name])


def test_a_folder_that_is_none(push, tmp_path):
    code, _, said = push(tmp_path / "nowhere", "org/stkit")
    assert code == 2
    assert "There is no folder" in said
