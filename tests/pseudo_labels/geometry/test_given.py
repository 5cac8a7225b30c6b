"""Geometry that users give in files."""

from types import SimpleNamespace

import numpy as np
import pytest

from st_vlm.errors import InputError
from st_vlm.kinematics.poses import pose, rotation_about_up
from st_vlm.pseudo_labels.clip import Clip
from st_vlm.pseudo_labels.clip_geometry import ClipGeometry, write_geometry
from st_vlm.pseudo_labels.geometry.given import GivenGeometry

SIZE = (640, 480)
MATRIX = np.array([[500.0, 0, 319.5], [0, 500, 239.5], [0, 0, 1]])
LOOKS_ALONG_X = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])


def clip(**changes):
    """Five frames from second 2 of `roads/one.mp4` at 30 fps, with the jitter of real timestamps."""
    frames = tuple(60 + 15 * k for k in range(5))
    times = tuple(round((f / 30 + 0.004) * 1e9) for f in frames)
    values = {"id": "clip-7", "video": "roads/one.mp4", "frames": frames, "times_ns": times, "size": SIZE}
    return Clip(**{**values, "first": 60, "last": 130, **changes})


def known(count=300, depth_size=None):
    """A video at 30 fps whose camera drives 0.1 m a frame along x and turns."""
    number = np.arange(count)
    poses = pose(
        rotation_about_up(0.001 * number) @ LOOKS_ALONG_X, np.stack([0.1 * number, 0 * number, 1.5 + 0 * number], -1)
    )
    arrays = {
        "times_s": number / 30,
        "poses": poses,
        "intrinsics": MATRIX,
        "size": np.array(SIZE),
        "camera_height": 1.5,
    }
    if depth_size:
        width, height = depth_size
        arrays["depth"] = (
            np.broadcast_to(number[:, None, None] + 1.0, (count, height, width)).astype(np.float32).copy()
        )
    return arrays


def given(tmp_path, arrays, name="clip-7.npz", **options):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True, parents=True)
    np.savez(path, **arrays)
    return GivenGeometry(tmp_path, **options)


def measure(backend, of=None):
    return backend.measure(SimpleNamespace(clip=of or clip()), None)


@pytest.mark.parametrize("name", ["clip-7.npz", "roads/one.npz"])
def test_a_clips_frames_are_picked_by_their_times(tmp_path, name):
    found = measure(given(tmp_path, known(), name))
    np.testing.assert_allclose(found.poses, known()["poses"][[60, 75, 90, 105, 120]])
    np.testing.assert_allclose(found.intrinsics, MATRIX)
    assert found.camera_height == 1.5
    assert found.depth is None
    assert found.size == SIZE
    assert (found.backend, found.licence) == ("given", "")


def test_one_file_serves_all_clips_and_frames_may_be_numbered(tmp_path):
    arrays = known()
    arrays["frames"] = np.round(arrays.pop("times_s") * 30).astype(int)
    np.savez(tmp_path / "all.npz", **arrays)
    found = measure(GivenGeometry(tmp_path / "all.npz"))
    np.testing.assert_allclose(found.poses[:, 0, 3], [6, 7.5, 9, 10.5, 12])


def test_our_own_file_comes_back(tmp_path):
    before = ClipGeometry(MATRIX, SIZE, known()["poses"][:5], np.full((5, 24, 32), 7.0, np.float32), 1.7, backend="x")
    write_geometry(before, tmp_path / "clip-7.npz")
    found = measure(GivenGeometry(tmp_path))
    np.testing.assert_allclose(found.poses, before.poses)
    np.testing.assert_allclose(found.depth, 7.0)
    assert (found.camera_height, found.backend) == (1.7, "x")
    with pytest.raises(InputError, match=r"5 frames of 640x480, but the clip clip-7 has 4"):
        measure(GivenGeometry(tmp_path), clip(frames=(1, 2, 3, 4), times_ns=(1, 2, 3, 4)))


def test_what_the_clip_states_wins(tmp_path):
    stated = clip(intrinsics=(700.0, 0, 320, 0, 700, 240, 0, 0, 1), camera_height=2.5)
    arrays = known()
    del arrays["intrinsics"], arrays["size"]
    found = measure(given(tmp_path, arrays), stated)
    assert found.intrinsics[0, 0] == 700
    assert found.camera_height == 2.5


@pytest.mark.parametrize(
    ("up", "axes"),
    [
        ("-z", np.diag([1.0, -1, -1])),
        ("y", np.array([[0.0, -1, 0], [0, 0, 1], [-1, 0, 0]])),
        ("-y", np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]])),
    ],
)
@pytest.mark.parametrize("in_file", [False, True])
def test_worlds_that_lie_otherwise_are_turned_upright(tmp_path, up, axes, in_file):
    """`axes` takes a world with z up (x ahead, y left) to the same world with another axis up."""
    arrays = known()
    expected = arrays["poses"].copy()
    arrays["poses"] = arrays["poses"].copy()
    arrays["poses"][:, :3] = axes @ expected[:, :3]
    if in_file:
        arrays["up"] = np.array(up)
    found = measure(given(tmp_path, arrays, **({} if in_file else {"up": up})))
    np.testing.assert_allclose(found.poses, expected[[60, 75, 90, 105, 120]], atol=1e-12)


def test_intrinsics_of_another_size_keep_where_a_pixel_looks(tmp_path):
    arrays = known()
    arrays["intrinsics"] = np.array([[1000.0, 0, 639.5], [0, 1000, 479.5], [0, 0, 1]])
    arrays["size"] = np.array([1280, 960])
    np.testing.assert_allclose(measure(given(tmp_path, arrays)).intrinsics, MATRIX)


def test_wide_depth_is_thinned_and_never_mixed(tmp_path):
    arrays = known(121, (960, 720))
    arrays["depth"][:, :, 480:] = 90.0
    arrays["depth"][:, :100] = np.inf
    arrays["depth"][:, 700:] = np.nan
    arrays["depth"][:, 650:700] = 0.0
    depth = measure(given(tmp_path, arrays)).depth
    assert depth.shape == (5, 240, 320)
    assert depth.dtype == np.float32
    assert np.isinf(depth[:, 5]).all()
    assert np.isnan(depth[:, 220:]).all()
    for row, frame in zip(depth, (60, 75, 90, 105, 120), strict=True):
        assert set(np.unique(row[40:210])) == {frame + 1.0, 90.0}
        np.testing.assert_array_equal(row[100, :160], frame + 1.0)


def broken(name, value):
    def make(arrays):
        if value is None:
            arrays.pop(name)
        else:
            arrays[name] = value(arrays.get(name))

    return make


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (broken("times_s", None), "neither `times_s` nor `frames`"),
        (broken("times_s", lambda old: old[:-1]), "299 times_s for 300 poses"),
        (broken("times_s", lambda old: old + 9), r"no pose within 0.05 s of 2\.004 s, which 5 of"),
        (broken("times_s", lambda old: np.full_like(old, np.nan)), "which 5 of the clip's 5 frames lack"),
        (broken("poses", None), "`poses` is missing"),
        (broken("poses", lambda old: old[:, :2]), r"`poses` is of shape \(300, 2, 4\)"),
        (broken("poses", lambda old: old * 2), "no rotations"),
        (broken("poses", lambda old: old * np.nan), "not finite"),
        (broken("poses", lambda old: old * np.array([1, 1, -1, 1.0])), "mirror the world"),
        (broken("poses", lambda old: np.full((300, 4, 4), "x")), "poses holds no numbers"),
        (broken("intrinsics", None), "`intrinsics` is missing"),
        (broken("intrinsics", lambda old: -old), "positive focal length"),
        (broken("size", None), "`size` must be"),
        (broken("size", lambda old: np.array([640, 640])), "of another shape"),
        (broken("intrinsics", lambda old: old * (1 + np.arange(300)[:, None, None] / 300)), "must not zoom"),
        (broken("camera_height", lambda old: np.array(-1.0)), "one positive number"),
        (broken("depth", lambda old: np.ones((7, 24, 32))), r"depth of shape \(7, 24, 32\) for 300 poses"),
        (broken("depth", lambda old: np.ones((300, 24, 24))), "depth maps of 24x24 for a video of 640x480"),
        (broken("up", lambda old: np.array("x")), "no axis is called 'x'"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(tmp_path, change, sentence):
    arrays = known()
    change(arrays)
    backend = given(tmp_path, arrays)
    with pytest.raises(InputError, match=sentence) as error:
        measure(backend)
    assert "clip-7.npz" in str(error.value)


def test_missing_and_broken_files(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        GivenGeometry(tmp_path / "nowhere")
    with pytest.raises(InputError, match="No axis is called 'north'"):
        GivenGeometry(tmp_path, up="north")
    with pytest.raises(InputError, match=r"neither clip-7.npz nor roads/one.npz is there"):
        measure(GivenGeometry(tmp_path))
    (tmp_path / "clip-7.npz").write_bytes(b"PK nonsense")
    with pytest.raises(InputError, match="cannot be read"):
        measure(GivenGeometry(tmp_path))
    np.save(tmp_path / "one.npy", np.eye(4))
    with pytest.raises(InputError, match="cannot be read"):
        measure(GivenGeometry(tmp_path / "one.npy"))
    np.savez(tmp_path / "clip-7.npz", poses=np.array([{}], object))
    with pytest.raises(InputError, match="cannot be read"):
        measure(GivenGeometry(tmp_path))
    with pytest.raises(InputError, match="leads out of"):
        measure(GivenGeometry(tmp_path), clip(id="../../secret"))
