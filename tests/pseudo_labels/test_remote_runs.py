"""Stages made where nothing but a remote folder is seen: the files of a local run, whatever is killed in between."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path

import pytest
from pseudo_labels.runs import contents, settings_of

from st_vlm.errors import InputError
from st_vlm.pseudo_labels.executors import Execution
from st_vlm.pseudo_labels.files import CLIPS, FAILED_FILE, PROBED, SEGMENTS_FILE, TRACKS_FILE, read_json, write_json
from st_vlm.pseudo_labels.pipeline import prepare, run_pipeline
from st_vlm.pseudo_labels.remote_store import RemoteStore

pytest.importorskip("datatrove", reason="the executors need datatrove")

from st_vlm.pseudo_labels.jobs import walk_remotely

TWO_TASKS = Execution("jobs", tasks=2)


class Elsewhere:
    """An executor that runs its tasks one after the other in this process.

    Attributes:
        made: The stage and the number of tasks of each.
    """

    def __init__(self) -> None:
        self.made = []

    def __call__(self, stage, step, tasks, logs):
        self.made.append((stage, tasks))
        self.step, self.tasks = step, tasks
        return self

    def run(self):
        for rank in range(self.tasks):
            self.step.run(rank=rank, world_size=self.tasks)


@pytest.fixture
def remote(tmp_path) -> str:
    return (tmp_path / "remote").as_uri()


def lasting(out: Path, but: str = "") -> dict[str, bytes]:
    """The files of the stages, without those of a name."""
    found = {f"{part}/{name}": data for part in (CLIPS, PROBED) for name, data in contents(out / part).items()}
    return {name: data for name, data in found.items() if Path(name).name != but}


def test_a_run_through_a_remote_folder_ends_as_a_local_one(user, done, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    out, elsewhere, remote = Path("out"), Elsewhere(), f"memory://{secrets.token_hex(4)}/run"
    report = run_pipeline(settings_of(user), out, walk=walk_remotely(TWO_TASKS, remote, elsewhere))
    assert elsewhere.made == [("probe", 2), ("semantics", 2), ("geometry", 2), ("lift", 2)]
    assert lasting(out) == lasting(done[0])
    assert report.lines == done[1].lines
    assert report.built.counts == done[1].built.counts
    assert {path.name for path in out.iterdir()} - {path.name for path in done[0].iterdir()} == {"logs"}
    store = RemoteStore(remote)
    assert set(store.sizes("videos")) == {path.name for path in (user / "videos").iterdir()}
    assert not store.sizes("work")
    # Nothing is due, and nothing is made.
    run_pipeline(settings_of(user), out, walk=walk_remotely(TWO_TASKS, remote, elsewhere))
    assert len(elsewhere.made) == 4


@pytest.mark.slow
def test_tasks_are_processes_that_see_the_remote_folder_alone(user, done, tmp_path, remote):
    from st_vlm.building.launching import LocalExecutor

    def make(stage, step, tasks, logs):
        return LocalExecutor([step], tasks=tasks, workers=2, logging_dir=logs, skip_completed=False)

    # Not where the run was begun, so that no path of it holds elsewhere.
    moved = shutil.copytree(user, tmp_path / "user")
    settings = settings_of(moved)
    out = tmp_path / "out"

    def walk_without_the_originals(run, stage, items):
        def make_hidden(*about):
            executor = make(*about)

            class Hidden:
                def run(self):
                    moved.rename(tmp_path / "hidden")
                    try:
                        executor.run()
                    finally:
                        (tmp_path / "hidden").rename(moved)

            return Hidden()

        walk_remotely(TWO_TASKS, remote, make_hidden)(run, stage, items)

    run_pipeline(settings, out, walk=walk_without_the_originals)
    told = {name: data.replace(str(moved).encode(), str(user).encode()) for name, data in lasting(out).items()}
    assert told == lasting(done[0])


def test_what_was_made_before_the_launching_side_was_killed_is_fetched(user, done, tmp_path, remote):
    out, elsewhere = tmp_path / "out", Elsewhere()

    class Killed(Elsewhere):
        def run(self):
            if self.made[-1][0] == "semantics":
                self.step.run(rank=0, world_size=self.tasks)
                raise KeyboardInterrupt
            super().run()

    with pytest.raises(KeyboardInterrupt):
        run_pipeline(settings_of(user), out, walk=walk_remotely(TWO_TASKS, remote, Killed()))
    assert not list(out.glob(f"{CLIPS}/*/{SEGMENTS_FILE}"))
    run_pipeline(settings_of(user), out, until="geometry", walk=walk_remotely(TWO_TASKS, remote, elsewhere))
    # One of the two clips was left to make.
    assert elsewhere.made == [("semantics", 1), ("geometry", 2)]
    assert lasting(out) == lasting(done[0], but=TRACKS_FILE)


@pytest.mark.parametrize("from_stage", ["probe", "semantics"])
def test_from_a_stage_on_nothing_of_the_remote_folder_is_taken_for_new(user, done, tmp_path, remote, from_stage):
    out, elsewhere = tmp_path / "out", Elsewhere()
    walk = walk_remotely(TWO_TASKS, remote, elsewhere)
    run_pipeline(settings_of(user), out, until="geometry", walk=walk)
    elsewhere.made.clear()
    run_pipeline(settings_of(user), out, from_stage, until="geometry", walk=walk)
    stages = ["probe", "semantics", "geometry"]
    assert [stage for stage, _ in elsewhere.made] == stages[stages.index(from_stage) :]
    assert lasting(out) == lasting(done[0], but=TRACKS_FILE)


@pytest.mark.slow
def test_results_of_other_settings_that_were_never_fetched_are_made_again(user, tmp_path, remote):
    out = tmp_path / "out"

    class Killed(Elsewhere):
        def run(self):
            super().run()
            if self.made[-1][0] == "lift":
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_pipeline(settings_of(user), out, walk=walk_remotely(TWO_TASKS, remote, Killed()))
    elsewhere = Elsewhere()
    seeded = settings_of(user, seed=5)
    run_pipeline(seeded, out, "lift", "lift", walk=walk_remotely(TWO_TASKS, remote, elsewhere))
    assert elsewhere.made == [("lift", 2)]
    run_pipeline(seeded, tmp_path / "plain", until="lift")
    assert lasting(out) == lasting(tmp_path / "plain")


def test_a_failure_that_may_pass_is_tried_again(user, done, tmp_path, remote):
    out, elsewhere = tmp_path / "out", Elsewhere()
    walk = walk_remotely(TWO_TASKS, remote, elsewhere)
    run_pipeline(settings_of(user), out, until="probe", walk=walk)
    clip = prepare(settings_of(user), out).clip_ids()[0]

    class Unlucky(Elsewhere):
        def run(self):
            note = {"stage": "semantics", "reason": "No weights.", "again": True}
            place = tmp_path / "remote" / CLIPS / clip
            write_json(place / FAILED_FILE, note)
            super().run()

    run_pipeline(settings_of(user), out, until="semantics", walk=walk_remotely(TWO_TASKS, remote, Unlucky()))
    assert read_json(out / CLIPS / clip / FAILED_FILE)["reason"] == "No weights."
    run_pipeline(settings_of(user), out, until="geometry", walk=walk)
    assert lasting(out) == lasting(done[0], but=TRACKS_FILE)


def test_sentences_name_places_of_the_machine_that_launches(user, tmp_path, remote):
    (tmp_path / "geometry").mkdir()
    settings = settings_of(user, geometry_options={"path": str(tmp_path / "geometry")})
    for name in ("out", "plain"):
        walk = walk_remotely(TWO_TASKS, remote, Elsewhere()) if name == "out" else None
        run_pipeline(settings, tmp_path / name, until="geometry", walk=walk)
    assert lasting(tmp_path / "out") == lasting(tmp_path / "plain")
    reasons = [read_json(file)["reason"] for file in (tmp_path / "out").glob(f"{CLIPS}/*/{FAILED_FILE}")]
    assert len(reasons) == 2
    assert all(str(tmp_path / "geometry") in reason for reason in reasons)


def test_tasks_of_an_older_launch_end(user, tmp_path, remote):
    class Overtaken(Elsewhere):
        def run(self):
            write_json(tmp_path / "remote" / "launch.json", {"launch": "another"})
            super().run()

    with pytest.raises(InputError, match="A newer launch works on"):
        run_pipeline(settings_of(user), tmp_path / "out", walk=walk_remotely(TWO_TASKS, remote, Overtaken()))


def test_a_remote_folder_of_another_run_is_left_alone(user, tmp_path, remote):
    walk = walk_remotely(TWO_TASKS, remote, Elsewhere())
    run_pipeline(settings_of(user), tmp_path / "one", until="probe", walk=walk)
    before = contents(tmp_path / "remote")
    with pytest.raises(InputError, match="holds another run"):
        run_pipeline(settings_of(user), tmp_path / "other", until="probe", walk=walk)
    assert contents(tmp_path / "remote") == before


def test_a_stage_whose_tasks_die_says_so_and_is_gone_on_with(user, done, tmp_path, remote):
    class Dying(Elsewhere):
        def run(self):
            self.step.run(rank=0, world_size=self.tasks)

    out = tmp_path / "out"
    with pytest.raises(InputError, match=r"stage probe ended before 2 of 4 videos were done: look into file://"):
        run_pipeline(settings_of(user), out, walk=walk_remotely(TWO_TASKS, remote, Dying()))
    run_pipeline(settings_of(user), out, until="geometry", walk=walk_remotely(TWO_TASKS, remote, Elsewhere()))
    assert lasting(out) == lasting(done[0], but=TRACKS_FILE)


# The store


def test_an_upload_that_is_cut_off_leaves_no_file_under_its_name(tmp_path, remote, monkeypatch):
    store = RemoteStore(remote)
    (tmp_path / "old").write_bytes(b"old")
    store.send(tmp_path / "old", "clips/a/tracks.parquet")
    (tmp_path / "new").write_bytes(b"new" * 1000)

    def half(lpath, rpath, **_):
        Path(rpath).write_bytes(Path(lpath).read_bytes()[:100])
        raise OSError("connection lost")

    monkeypatch.setattr(store._fs, "put_file", half)
    for name in ("clips/a/tracks.parquet", "clips/b/tracks.parquet"):
        with pytest.raises(InputError, match=r"remote cannot be read or written: connection lost"):
            store.send(tmp_path / "new", name)
    assert contents(tmp_path / "remote") == {"clips/a/tracks.parquet": b"old"}


def test_a_process_killed_while_it_uploads_leaves_no_file_under_its_name(tmp_path, remote):
    child = os.fork()
    if not child:
        store = RemoteStore(remote)

        def half(lpath, rpath, **_):
            Path(rpath).write_bytes(b"half")
            os._exit(9)

        store._fs.put_file = half
        store.send(Path(__file__), "clips/a/tracks.parquet")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert RemoteStore(remote).sizes("clips") == {}
    assert not RemoteStore(remote).has("clips/a/tracks.parquet")


@pytest.mark.parametrize("url", ["nowhere://bucket/run", "hf://buckets/no-such-owner"])
def test_a_store_that_cannot_be_reached_is_told_in_a_sentence(url):
    with pytest.raises(InputError, match="cannot be"):
        RemoteStore(url).sizes("clips")
