"""Hugging Face Jobs as they are made: their arguments, their secrets, and what is refused. None is submitted."""

from __future__ import annotations

import json

import pytest
from pseudo_labels.runs import settings_of

from st_vlm.errors import InputError
from st_vlm.pseudo_labels.executors import Execution, walk_on
from st_vlm.pseudo_labels.files import SEGMENTS_FILE
from st_vlm.pseudo_labels.pipeline import run_pipeline
from st_vlm.pseudo_labels.remote_store import RemoteStore

pytest.importorskip("datatrove", reason="the executors need datatrove")

from datatrove.executor.jobs import JobsPipelineExecutor

from st_vlm.pseudo_labels import jobs, remote_steps

REMOTE = "hf://buckets/somebody/labels/run"
OPTIONS = {"remote": REMOTE, "dependencies": ["st-vlm[pseudo,scale]"], "gpu": {"flavor": "l4x1", "timeout": "2h"}}


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """The bucket is a folder here, and a Job's tasks run in this process. What was made: buckets, executors."""
    made = {"buckets": [], "executors": []}

    class Bucket(RemoteStore):
        def __init__(self, url):
            super().__init__((tmp_path / "bucket").as_uri())
            self.url = url

    def run(self):
        made["executors"].append(self)
        for rank in range(self.tasks):
            self.pipeline[0].run(rank=rank, world_size=self.tasks)

    monkeypatch.setattr(jobs, "RemoteStore", Bucket)
    monkeypatch.setattr(remote_steps, "RemoteStore", Bucket)
    monkeypatch.setattr(JobsPipelineExecutor, "run", run)
    monkeypatch.setattr("huggingface_hub.create_bucket", lambda name, **about: made["buckets"].append((name, about)))
    return made


def test_each_stage_is_an_executor_with_its_own_options_and_logs_in_the_remote_folder(user, tmp_path, hub):
    walk = walk_on(Execution("jobs", workers=3, options=OPTIONS | {"tasks": 2, "namespace": "somebody"}))
    run_pipeline(settings_of(user), tmp_path / "out", until="semantics", walk=walk)
    assert len(list((tmp_path / "out").glob(f"clips/*/{SEGMENTS_FILE}"))) == 2
    assert hub["buckets"] == [("somebody/labels", {"private": True, "exist_ok": True})]
    probe, semantics = hub["executors"]
    assert (probe.flavor, probe.timeout, probe.job_name) == ("cpu-basic", None, "st-vlm-probe")
    assert (semantics.flavor, semantics.timeout, semantics.job_name) == ("l4x1", "2h", "st-vlm-semantics")
    for executor in (probe, semantics):
        assert (executor.tasks, executor.workers, executor.namespace) == (2, 3, "somebody")
        assert executor.dependencies == ["st-vlm[pseudo,scale]"]
        assert not executor.logging_dir.is_local()
        assert executor.logging_dir.resolve_paths("x").startswith(f"{REMOTE}/logs/")
        assert executor.pipeline[0].remote == REMOTE
    assert probe.logging_dir.path != semantics.logging_dir.path


def test_secrets_come_from_the_environment_and_are_written_nowhere(user, tmp_path, hub, monkeypatch):
    monkeypatch.setenv("STORE_KEY", "hush-hush")
    walk = walk_on(Execution("jobs", options=OPTIONS | {"secrets": ["STORE_KEY"]}))
    run_pipeline(settings_of(user), tmp_path / "out", until="probe", walk=walk)
    (executor,) = hub["executors"]
    assert executor.secrets == {"STORE_KEY": "hush-hush"}
    files = [file for part in ("out", "bucket") for file in (tmp_path / part).rglob("*") if file.is_file()]
    assert files
    assert not any(b"hush-hush" in file.read_bytes() for file in files)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"remote": None}, "give a folder that both reach"),
        ({"remote": "/data/run"}, "give a folder that both reach"),
        ({"remote": "file:///data/run"}, "give a folder that both reach"),
        ({"dependencies": None}, "Jobs begin without any package"),
        ({"dependencies": "st-vlm"}, "Jobs begin without any package"),
        ({"token": "hf_secret"}, "A token does not belong in a file"),
        ({"gpu": {"token": "hf_secret"}}, "A token does not belong in a file"),
        ({"secrets": {"KEY": "hf_secret"}}, "secrets is a list of names of variables"),
        ({"secrets": ["NO_SUCH_VARIABLE_OF_OURS"]}, "NO_SUCH_VARIABLE_OF_OURS.* is not set"),
        ({"partition": "main"}, "takes no option partition"),
        ({"logging_dir": "hf://x"}, "option logging_dir is set by st-vlm itself"),
        ({"gpu": {"flavor": 4}}, "Stages with a GPU .*option flavor cannot be 4"),
    ],
)
def test_what_jobs_cannot_be_made_of_is_told(hub, changes, sentence):
    with pytest.raises(InputError, match=sentence) as told:
        walk_on(Execution("jobs", options=OPTIONS | changes))
    assert "hf_secret" not in str(told.value)
    assert not hub["buckets"]


def test_jobs_that_the_hub_refuses_are_told_in_a_sentence(user, tmp_path, hub, monkeypatch):
    def refuse(self):
        raise OSError("402 Client Error: Payment Required")

    monkeypatch.setattr(JobsPipelineExecutor, "run", refuse)
    with pytest.raises(InputError, match="stage probe could not be run as Jobs: 402"):
        run_pipeline(settings_of(user), tmp_path / "out", walk=walk_on(Execution("jobs", options=OPTIONS)))


def test_the_command_runs_them(user, tmp_path, hub, st_vlm):
    (tmp_path / "jobs.yaml").write_text(json.dumps(OPTIONS))
    given = ("--semantics", "given", "--semantics-option", f"path={user / 'masks'}", "--geometry", "given")
    code, output, errors = st_vlm(
        *("pseudo-label", user / "videos", "--out", tmp_path / "out", *given),
        *("--geometry-option", f"path={user / 'geometry'}", "--until", "semantics", "--licence", "CC0-1.0"),
        *("--executor", "jobs", "--executor-config", tmp_path / "jobs.yaml", "--format", "json"),
    )
    assert code == 1, errors  # two of the four videos give no clip
    assert [executor.job_name for executor in hub["executors"]] == ["st-vlm-probe", "st-vlm-semantics"]
    assert json.loads(output)["counts"]["unfinished"] == 2
