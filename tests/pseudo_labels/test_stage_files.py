"""What a stage writes, the next one reads: masks, boxes, depth and poses come back, and a broken file is refused."""

from dataclasses import replace

import numpy as np
import pytest

from st_vlm.errors import InputError
from st_vlm.pseudo_labels.clip import Clip
from st_vlm.pseudo_labels.clip_geometry import ClipGeometry, read_geometry, write_geometry
from st_vlm.pseudo_labels.files import whole_file
from st_vlm.pseudo_labels.frames import confined
from st_vlm.pseudo_labels.lifting.static_background import DepthErrors
from st_vlm.pseudo_labels.segments import Segments, encode_mask, read_segments, write_segments


def two_objects() -> Segments:
    boxes = np.full((2, 3, 4), np.nan)
    boxes[0, 0], boxes[0, 2], boxes[1, 0] = (10, 10, 30, 40), (14, 10, 34, 40), (20, 20, 60, 60)
    scores = np.where(np.isfinite(boxes[..., 0]), 0.5, np.nan)
    square = np.zeros((36, 48), bool)
    square[6:24, 6:18] = True
    return Segments(("car", "person"), boxes, scores, (80, 60), (48, 36), {(0, 0): encode_mask(square)}, "x", "MIT")


def test_segments_come_back(tmp_path):
    segments = two_objects()
    write_segments(segments, tmp_path / "s.parquet")
    again = read_segments(tmp_path / "s.parquet")
    assert again.categories == segments.categories
    np.testing.assert_array_equal(again.boxes, segments.boxes)
    np.testing.assert_array_equal(again.scores, segments.scores)
    assert (again.size, again.mask_size, again.backend, again.licence) == ((80, 60), (48, 36), "x", "MIT")
    assert again.mask(0, 0).sum() == 18 * 12
    assert again.mask(0, 2) is None


def test_no_object_comes_back(tmp_path):
    none = two_objects().only(np.array([False, False]))
    write_segments(none, tmp_path / "s.parquet")
    again = read_segments(tmp_path / "s.parquet")
    assert len(again) == 0
    assert again.boxes.shape == (0, 3, 4)
    assert (again.labels((40, 30)) == -1).all()


def test_who_stands_lower_in_the_image_is_in_front():
    labels = two_objects().labels((48, 36))
    # The mask of the first, but for where the second's ellipse hides it.
    assert labels[0, 10, 8] == 0
    assert labels[0, 23, 24] == 1
    assert labels[0, 18, 17] == 1
    # A box alone fills its ellipse and not its corners.
    assert labels[2, 15, 14] == 0
    assert labels[2, 6, 8] == -1
    assert (labels[1] == -1).all()


def test_only_keeps_masks_with_their_objects():
    segments = two_objects()
    second = segments.only(np.array([False, True]))
    assert second.categories == ("person",)
    assert not second.masks
    first = segments.only(np.array([True, False]))
    assert first.mask(0, 0).sum() == 18 * 12


def test_a_mask_that_does_not_fill_its_image_is_refused(tmp_path):
    segments = two_objects()
    broken = replace(segments, masks={(0, 0): b"zzzz"})
    write_segments(broken, tmp_path / "s.parquet")
    with pytest.raises(InputError, match="object 0 in frame 0"):
        read_segments(tmp_path / "s.parquet")


def test_geometry_comes_back(tmp_path):
    rng = np.random.default_rng(0)
    depth = rng.uniform(2, 90, (3, 6, 8)).astype(np.float32)
    depth[0, 0, 0], depth[1, 0, 0] = np.inf, np.nan
    poses = np.tile(np.eye(4), (3, 1, 1))
    poses[:, 0, 3] = [0, 1, 2]
    lens = np.array([[100.0, 0, 39.5], [0, 100, 29.5], [0, 0, 1]])
    errors = DepthErrors(field_rms=0.07)
    written = ClipGeometry(lens, (80, 60), poses, depth, 1.5, errors, "depthpro", "apple-amlr")
    write_geometry(written, tmp_path / "g.npz")
    again = read_geometry(tmp_path / "g.npz")
    np.testing.assert_allclose(again.depth, depth, rtol=1e-3)
    np.testing.assert_array_equal(again.poses, poses)
    assert (again.errors, again.camera_height, again.backend, again.licence) == (errors, 1.5, "depthpro", "apple-amlr")
    # The middle of the image stays its middle: pixels count from the middle of the first.
    np.testing.assert_allclose(again.depth_intrinsics, [[10, 0, 3.5], [0, 10, 2.5], [0, 0, 1]])


def test_geometry_without_depth_comes_back(tmp_path):
    lens = np.array([[100.0, 0, 40], [0, 100, 30], [0, 0, 1]])
    write_geometry(ClipGeometry(lens, (80, 60), np.eye(4)[None]), tmp_path / "g.npz")
    assert read_geometry(tmp_path / "g.npz").depth is None


@pytest.mark.parametrize("what", ["missing", "garbage", "poses", "lens", "depth"])
def test_broken_geometry_is_refused(tmp_path, what):
    path = tmp_path / "g.npz"
    lens, poses, depth = np.diag([100.0, 100, 1]), np.tile(np.eye(4), (2, 1, 1)), np.ones((2, 4, 4), np.float32)
    if what == "garbage":
        path.write_bytes(b"no archive")
    elif what != "missing":
        poses[1, 0, 0] = 3.0 if what == "poses" else 1.0
        lens[0, 0] = -1 if what == "lens" else 100
        write_geometry(ClipGeometry(lens, (8, 8), poses, depth[: 1 if what == "depth" else 2]), path)
    with pytest.raises(InputError, match=r"g\.npz"):
        read_geometry(path)


def test_broken_segments_are_refused(tmp_path):
    (tmp_path / "s.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"s\.parquet"):
        read_segments(tmp_path / "s.parquet")


def test_a_clip_comes_back(tmp_path):
    clip = Clip("a-000", "d/a.mp4", (0, 15, 30), (0, 500_000_000, 1_000_000_000), (640, 360), 0, 30, licence="CC0")
    clip.write(tmp_path / "clip.json")
    assert Clip.read(tmp_path / "clip.json") == clip
    np.testing.assert_allclose(clip.times_s, [0, 0.5, 1])


@pytest.mark.parametrize("relative", ["../a.mp4", "/a.mp4", "a/../../b.mp4"])
def test_a_video_stays_in_its_folder(tmp_path, relative):
    with pytest.raises(InputError, match="leads out"):
        confined(tmp_path, relative)


def test_half_a_file_never_gets_its_name(tmp_path):
    def write_half() -> None:
        with whole_file(tmp_path / "a.txt") as temporary:
            temporary.write_text("half")
            raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        write_half()
    assert list(tmp_path.iterdir()) == []
