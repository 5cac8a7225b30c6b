"""Clips that a published set came without, made again from the user's own recordings."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from gated_builds import contents
from native_layouts.argoverse2 import argoverse2_tables, write_argoverse2
from native_layouts.ego_exo4d import ego_exo4d_tables, write_ego_exo4d
from native_layouts.kitti import kitti_files, write_kitti
from native_layouts.nuplan import nuplan_tables, write_nuplan
from PIL import Image
from published import SMALL, free, mixed, note_of, number_images, publish, restricted, rows_of

from st_vlm.building.attaching import Own, attach_media
from st_vlm.building.build import build
from st_vlm.building.settings import BuildSettings
from st_vlm.errors import InputError
from st_vlm.training.rows import load_rows


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> tuple[Path, Path]:
    """A set built from three scenes, and these."""
    return restricted(tmp_path_factory.mktemp("built"), scenes=3)


@pytest.fixture
def published(built, tmp_path) -> Path:
    """The set as a reader downloads it, without clips."""
    publish(built[0], tmp_path / "published")
    return tmp_path / "published"


@pytest.fixture
def data(built, tmp_path) -> Path:
    """The reader's own recordings."""
    return Path(shutil.copytree(built[1], tmp_path / "data"))


def nuscenes(data: Path) -> Own:
    return Own("nuscenes", str(data), {})


def differing(first: Path, second: Path) -> set[str]:
    one, other = contents(first), contents(second)
    return {path for path in {*one, *other} if one.get(path) != other.get(path)}


@pytest.mark.parametrize("in_place", [True, False])
@pytest.mark.parametrize("num_proc", [1, 2])
def test_with_its_clips_back_a_set_is_the_one_that_was_built(built, published, tmp_path, in_place, num_proc):
    before = contents(published)
    out = None if in_place else tmp_path / "out"
    done = attach_media(published, nuscenes(built[1]), out, num_proc)
    assert done.failures == {}
    assert done.made == len({row["clip_id"] for row in rows_of(built[0])})
    assert differing(done.folder, built[0]) == set()
    if not in_place:
        assert contents(published) == before
        assert not list(tmp_path.glob(".*"))


def native(name: str, root: Path) -> Own:
    """Write a small release."""
    if name == "argoverse2":
        tables = argoverse2_tables(46, lambda t: ((8.0 * t, 0.0, 0.0), 0.0))
        write_argoverse2(root / "val" / "a-log", tables, images=90)
    elif name == "nuplan":
        write_nuplan(root, nuplan_tables())
    elif name == "kitti":
        write_kitti(root, kitti_files(), images=31)
    else:
        write_ego_exo4d(root, ego_exo4d_tables(), videos="full")
    if name != "ego_exo4d":
        number_images(root)
    return Own(name, str(root), {})


@pytest.mark.parametrize("name", ["argoverse2", "nuplan", "kitti", "ego_exo4d"])
def test_every_source_gives_the_same_bytes_again(tmp_path, name):
    own = native(name, tmp_path / "data")
    build(BuildSettings(name, own.path, balance="none"), tmp_path / "built")
    publish(tmp_path / "built", tmp_path / "published")
    assert not list((tmp_path / "published").rglob("*.mp4"))
    assert attach_media(tmp_path / "published", own).failures == {}
    assert differing(tmp_path / "published", tmp_path / "built") == set()


@pytest.mark.slow
def test_a_source_without_files_is_read_again(tmp_path):
    """Simulated scenes have no frames' paths: their images are rendered anew."""
    built = free(tmp_path)
    publish(built, tmp_path / "published", clips=False)
    assert attach_media(tmp_path / "published", Own("simulated", None, SMALL)).failures == {}
    assert differing(tmp_path / "published", built) == set()


def test_a_path_further_down_is_read_through_the_source(tmp_path):
    """Frames are named from the folder of the splits; the reader is given one log and finds them by their times."""
    native("argoverse2", tmp_path / "data")
    build(BuildSettings("argoverse2", str(tmp_path / "data"), balance="none"), tmp_path / "built")
    publish(tmp_path / "built", tmp_path / "published")
    own = Own("argoverse2", str(tmp_path / "data" / "val" / "a-log"), {})
    assert attach_media(tmp_path / "published", own).failures == {}
    assert differing(tmp_path / "published", tmp_path / "built") == set()


def test_the_images_alone_are_enough(built, published, data):
    shutil.rmtree(data / "v1.0-mini")
    assert attach_media(published, nuscenes(data)).failures == {}
    assert differing(published, built[0]) == set()


def test_of_a_mixed_set_the_missing_clips_join_those_that_came(built, tmp_path):
    both = mixed(tmp_path, free(tmp_path), built[0])
    publish(both, tmp_path / "published")
    assert attach_media(tmp_path / "published", nuscenes(built[1])).failures == {}
    assert differing(tmp_path / "published", both) <= {"README.md", "train/metadata.parquet", "stkit.json"}
    for split in ("train", "test"):
        assert rows_of(tmp_path / "published", split) == rows_of(both, split)
    assert "clips_left_out" not in note_of(tmp_path / "published")


def test_a_missing_recording_stops_no_other(built, published, data, tmp_path):
    for image in data.rglob("*scene-0002*.jpg"):
        image.unlink()
    done = attach_media(published, nuscenes(data), tmp_path / "out")
    assert list(done.failures) == ["scene-0002 (CAM_FRONT)"]
    assert "is missing" in done.failures["scene-0002 (CAM_FRONT)"]
    rows = rows_of(tmp_path / "out")
    assert {row["recording"] for row in rows if row["file_name"] is None} == {"scene-0002"}
    for row in rows:
        assert row["file_name"] is None or (tmp_path / "out" / "train" / row["file_name"]).is_file()
    assert note_of(tmp_path / "out")["clips_left_out"] == {"nuscenes": 1}
    assert "attach-media" in (tmp_path / "out" / "README.md").read_text()
    # Restored, the rest follows.
    done = attach_media(tmp_path / "out", nuscenes(built[1]))
    assert (done.made, done.there, done.failures) == (1, 2, {})
    assert differing(tmp_path / "out", built[0]) == set()


def test_without_one_clip_nothing_is_written(published, data, tmp_path):
    for image in data.rglob("*.jpg"):
        image.unlink()
    before = contents(published)
    for out in (None, tmp_path / "out"):
        with pytest.raises(InputError, match="Not one clip of nuscenes could be made"):
            attach_media(published, nuscenes(data), out)
    assert contents(published) == before
    assert not (tmp_path / "out").exists()


def test_an_image_of_another_size_is_refused(published, data):
    image = sorted(data.rglob("*scene-0001*.jpg"))[2]
    Image.new("RGB", (80, 40)).save(image)
    done = attach_media(published, nuscenes(data))
    assert "80x40" in done.failures["scene-0001 (CAM_FRONT)"]


def rewritten(published: Path, **columns) -> None:
    """Change columns of every row of the first recording: name -> function of the value."""
    file = published / "train" / "metadata.parquet"
    schema = pq.read_schema(file)
    rows = rows_of(published)
    for row in rows:
        if row["recording"] == "scene-0001":
            row.update({name: change(row[name]) for name, change in columns.items()})
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), file)


@pytest.mark.parametrize("name", ["../../secret.jpg", "/etc/passwd", "samples/../../../x.jpg", "..\\..\\x.jpg"])
def test_frames_outside_the_recordings_are_refused(published, data, tmp_path, name):
    write = Image.new("RGB", (160, 90))
    write.save(tmp_path / "secret.jpg")
    rewritten(published, source_frames=lambda frames: [name] * len(frames))
    done = attach_media(published, nuscenes(data))
    assert "leads out of" in done.failures["scene-0001 (CAM_FRONT)"]
    assert done.made == 2


@pytest.mark.parametrize("name", ["../../escaped", "/tmp/escaped", ".hidden", "a/b", ""])
def test_clips_outside_the_set_are_refused(published, data, tmp_path, name):
    rewritten(published, clip_id=lambda _: name)
    done = attach_media(published, nuscenes(data))
    assert "no name for a clip" in done.failures["scene-0001 (CAM_FRONT)"]
    assert done.made == 2
    assert not list(tmp_path.rglob("*escaped*"))


@pytest.mark.parametrize(
    "columns",
    [
        {"timestamps": lambda _: None},
        {"timestamps": lambda times: [0.0] * len(times)},
        {"timestamps": lambda times: times[:-1]},
        {"start_ns": lambda _: None},
        {"camera": lambda _: None},
        {"camera": lambda camera: {**camera, "size": [10**6, 2]}},
    ],
)
def test_rows_that_make_no_sense_stop_no_other(published, data, columns):
    rewritten(published, **columns)
    done = attach_media(published, nuscenes(data))
    assert len(done.failures) == 1
    assert done.made == 2


def test_what_cannot_be_attached_is_refused(built, published, data, tmp_path):
    with pytest.raises(InputError, match="its sources are nuscenes"):
        attach_media(published, Own("kitti", str(data), {}))
    with pytest.raises(InputError, match="There is no folder"):
        attach_media(published, nuscenes(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="There is no folder"):
        attach_media(tmp_path / "nowhere", nuscenes(data))
    with pytest.raises(InputError, match="not empty"):
        attach_media(published, nuscenes(data), data)
    table = published / "train" / "metadata.parquet"
    table.rename(tmp_path / "blob")
    table.symlink_to(tmp_path / "blob")
    with pytest.raises(InputError, match="links into a cache"):
        attach_media(published, nuscenes(data))
    assert attach_media(published, nuscenes(data), tmp_path / "out").failures == {}
    assert differing(tmp_path / "out", built[0]) == set()
    assert not (tmp_path / "out" / "train" / "metadata.parquet").is_symlink()


def test_options_of_the_build_are_asked_for_when_frames_are_not_found(tmp_path):
    build(BuildSettings("simulated", balance="none", source_options=SMALL), tmp_path / "built")
    publish(tmp_path / "built", tmp_path / "published", clips=False)
    with pytest.raises(InputError, match="sim-0-0000"):
        attach_media(tmp_path / "published", Own("simulated", None, {**SMALL, "seed": 5}))


KILLED = """
import os, signal, sys
from st_vlm.building import attaching, lost_clips
calls = []

def killing(*arguments, **options):
    calls.append(1)
    if len(calls) == int(sys.argv[6]):
        os.kill(os.getpid(), signal.SIGKILL)
    return original(*arguments, **options)

module = {"attaching": attaching, "lost_clips": lost_clips}[sys.argv[4]]
original = getattr(module, sys.argv[5])
setattr(module, sys.argv[5], killing)
attaching.attach_media(sys.argv[1], attaching.Own("nuscenes", sys.argv[2], {}), sys.argv[3] or None)
"""


@pytest.mark.parametrize("in_place", [True, False])
@pytest.mark.parametrize(
    ("module", "name", "call"),
    [("lost_clips", "write_video", 2), ("attaching", "rewrite", 1), ("attaching", "card_of", 1)],
)
def test_killed_it_goes_on(built, published, tmp_path, in_place, module, name, call):
    out = "" if in_place else str(tmp_path / "out")
    command = [sys.executable, "-c", KILLED, published, built[1], out, module, name, str(call)]
    assert subprocess.run(command, capture_output=True, timeout=120).returncode == -signal.SIGKILL
    assert not (tmp_path / "out").exists()
    done = attach_media(published, nuscenes(built[1]), out or None)
    assert done.there == (1 if name == "write_video" else 3)
    assert differing(done.folder, built[0]) == set()
    assert not [path for path in tmp_path.rglob("*.tmp")]


def test_what_was_begun_for_another_set_is_not_mixed_in(built, published, data, tmp_path):
    stale = tmp_path / ".out.attaching" / "result" / "train" / "clips"
    stale.mkdir(parents=True)
    clip = rows_of(published)[0]["clip_id"]
    (stale / f"{clip}.mp4").write_bytes(b"of another set")
    attach_media(published, nuscenes(data), tmp_path / "out")
    assert differing(tmp_path / "out", built[0]) == set()


def test_stock_datasets_loads_the_set_with_its_clips(published, data, tmp_path):
    attach_media(published, nuscenes(data))
    script = (
        "import json, sys; from datasets import load_dataset\n"
        "print(json.dumps([row['video']['path'] for row in load_dataset(sys.argv[1])['train']]))"
    )
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "-c", script, "./published"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert all(Path(path).is_file() for path in json.loads(done.stdout))


def test_tuning_refuses_rows_whose_clips_are_lost(built, tmp_path):
    both = mixed(tmp_path, free(tmp_path), built[0])
    publish(both, tmp_path / "published")
    with pytest.raises(InputError, match="st-vlm attach-media"):
        load_rows(str(tmp_path / "published"))
    attach_media(tmp_path / "published", nuscenes(built[1]))
    assert None not in load_rows(str(tmp_path / "published"))["video"]
