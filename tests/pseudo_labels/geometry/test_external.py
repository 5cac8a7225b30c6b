"""What other tools write becomes the clip's geometry: conventions, cut edges, confidence, lens and scale."""

import json
from dataclasses import replace

import numpy as np
import pytest
from pseudo_labels.geometry.streets import camera_at, mapped, street_depth
from scipy.spatial.transform import Rotation

from st_vlm.errors import InputError
from st_vlm.kinematics.poses import invert
from st_vlm.pseudo_labels.clip import Clip
from st_vlm.pseudo_labels.clip_geometry import check_geometry
from st_vlm.pseudo_labels.frames import ClipFrames
from st_vlm.pseudo_labels.geometry.external import DepthAnything3, ExternalGeometry, MapAnything, Monst3rMetric3d
from st_vlm.pseudo_labels.segments import Segments
from st_vlm.pseudo_labels.unavailable import Unavailable

SIZE, COUNT = (640, 400), 4
LENS = np.array([[500.0, 0, 319.5], [0, 500, 199.5], [0, 0, 1]])
CLIP = Clip("one", "one.mp4", (0, 5, 10, 15), (0, 500_000_000, 10**9, 1_500_000_000), SIZE, 0, 15)
TRUE = np.stack([camera_at((1.5 * k, 0.1 * k, 1.6), pitch=4, roll=2) for k in range(COUNT)])
# The tools know no up: their world is the first camera's.
LOCAL = invert(TRUE[0]) @ TRUE


def frames(**changes) -> ClipFrames:
    return ClipFrames(replace(CLIP, **changes), "/nowhere")


def nothing() -> Segments:
    return Segments((), np.empty((0, COUNT, 4)), np.empty((0, COUNT)), SIZE, SIZE)


def depth_maps(lens: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return np.stack([street_depth(world_from_camera, lens, size) for world_from_camera in TRUE])


def write(folder, tool, depth, lens, matrices, **changes):
    about = {
        "tool": tool,
        "model": "m",
        "licence": "Apache-2.0",
        "extrinsics": "camera_from_world",
        "fit": "stretch",
        "frames": list(CLIP.frames),
        "size": list(SIZE),
    }
    arrays = {name: changes.pop(name) for name in ("confidence", "sky") if name in changes}
    np.savez(
        folder / "one.npz",
        depth=depth,
        intrinsics=np.tile(lens, (COUNT, 1, 1)),
        extrinsics=matrices,
        about=np.array(json.dumps({**about, **changes})),
        **arrays,
    )


def write_depth_anything(folder, focal: float = 1.0, **changes) -> None:
    """As Depth Anything 3 sees it: stretched to 504 x 308, camera from world as 3 x 4, a focal length of its own."""
    scale = np.array([504, 308]) / SIZE
    lens = mapped(LENS, scale, np.zeros(2))
    depth = depth_maps(lens, (504, 308))
    sky = np.isinf(depth)
    lens[0, 0], lens[1, 1] = focal * lens[0, 0], focal * lens[1, 1]
    # A shorter focal length has everything nearer along the line of sight.
    way = LOCAL.copy()
    way[:, 2, 3] *= focal
    known = np.where(sky, 88.0, focal * depth)
    write(folder, "depth-anything-3", known, lens, invert(way)[:, :3], sky=sky, **changes)


def assert_true(geometry, rtol=0.02, atol_m=0.03):
    """The whole geometry against the street: depth where it is looked up, poses upright, up to where z = 0 is."""
    check_geometry(geometry, "it")
    width, height = geometry.depth_size
    exact = depth_maps(geometry.depth_intrinsics, (width, height))
    both = np.isfinite(geometry.depth) & np.isfinite(exact) & (exact < 50)
    assert both.mean() > 0.3
    assert np.quantile(np.abs(geometry.depth[both] / exact[both] - 1), 0.95) < rtol
    # The world begins at the first camera and looks where it looks: as the true one, 1.6 m lower.
    turned = geometry.poses[0, :3, :3] @ TRUE[0, :3, :3].T
    assert np.degrees(Rotation.from_matrix(turned).magnitude()) < 0.5
    np.testing.assert_allclose(geometry.poses[:, :3, 3] + [0, 0, 1.6], TRUE[:, :3, 3], atol=atol_m)
    np.testing.assert_allclose(geometry.intrinsics, LENS, atol=0.01)
    assert geometry.camera_height == pytest.approx(1.6, rel=0.03)


def test_depth_anything_3(tmp_path):
    write_depth_anything(tmp_path)
    geometry = DepthAnything3(tmp_path).measure(frames(), nothing())
    assert_true(geometry)
    assert geometry.depth.shape == (COUNT, 200, 320)
    assert np.isinf(geometry.depth[:, 2]).all()
    assert (geometry.backend, geometry.licence) == ("depth-anything-3", "Apache-2.0")


def test_map_anything_cuts_images_at_the_middle(tmp_path):
    # 640 x 400 covers 518 x 294 at 518 / 640: of 323.75 rows, 29.75 are cut.
    scale = np.full(2, 518 / 640)
    lens = mapped(LENS, scale, np.array([0, -(400 * 518 / 640 - 294) / 2]))
    depth = depth_maps(lens, (518, 294))
    known = np.where(np.isinf(depth), 0, depth)
    about = {"extrinsics": "world_from_camera", "fit": "cover", "licence": "CC-BY-NC-4.0"}
    write(tmp_path, "map-anything", known, lens, LOCAL, **about)
    geometry = MapAnything(tmp_path).measure(frames(), nothing())
    assert_true(geometry)
    assert geometry.licence == "CC-BY-NC-4.0"
    # What was cut off is not known, and neither is the masked sky.
    assert np.isnan(geometry.depth[:, :8]).all()
    assert np.isnan(geometry.depth[:, -8:]).all()
    assert np.isfinite(geometry.depth[:, -12]).all()


def test_a_known_focal_length_wins(tmp_path):
    write_depth_anything(tmp_path, focal=0.8)
    wrong = DepthAnything3(tmp_path).measure(frames(), nothing())
    assert wrong.intrinsics[0, 0] == pytest.approx(400)
    right = DepthAnything3(tmp_path).measure(frames(intrinsics=tuple(LENS.ravel().tolist())), nothing())
    assert_true(right)
    assert right.errors.common < wrong.errors.common


def test_a_known_camera_height_gives_the_scale(tmp_path):
    write_depth_anything(tmp_path)
    geometry = DepthAnything3(tmp_path).measure(frames(camera_height=3.2), nothing())
    assert geometry.camera_height == 3.2
    np.testing.assert_allclose(np.diff(geometry.poses[:, 0, 3]), 3.0, rtol=0.03)


def test_the_least_confident_pixels_are_left_out(tmp_path):
    confidence = np.ones((COUNT, 308, 504), np.float32) * 5
    confidence[:, 250:, :100] = 1
    write_depth_anything(tmp_path, confidence=confidence)
    geometry = DepthAnything3(tmp_path, least_confident=0.05).measure(frames(), nothing())
    assert np.isnan(geometry.depth[:, 170:, :60]).all()
    assert np.isfinite(geometry.depth[:, 170:, 70:]).all()


def write_monst3r(folder, unit: float = 0.2, factors: tuple[float, ...] = (1, 1, 1, 1)) -> None:
    """As MonST3R sees it: 512 x 320 of a world in units of its own; and Metric3D at another size."""
    of_clip = folder / "one"
    (of_clip / "metric3d").mkdir(parents=True)
    scale = np.full(2, 512 / 640)
    lens = mapped(LENS, scale, np.zeros(2))
    depth = depth_maps(lens, (512, 320)) * unit
    lines = []
    for t, own in enumerate(LOCAL):
        x, y, z, w = Rotation.from_matrix(own[:3, :3]).as_quat()
        lines.append(" ".join(map(str, (float(t), *(own[:3, 3] * unit), w, x, y, z))))
        np.save(of_clip / f"frame_{t:04d}.npy", np.where(np.isinf(depth[t]), 5.0, depth[t]).astype(np.float32))
        # The logarithm of confidence; the sky has none to speak of.
        np.save(of_clip / f"conf_{t}.npy", np.where(np.isinf(depth[t]), 0.05, 1.5).astype(np.float32))
        metres = street_depth(TRUE[t], mapped(LENS, np.full(2, 0.5), np.zeros(2)), (320, 200))
        np.save(of_clip / "metric3d" / f"{t:05d}.npy", np.minimum(metres, 300).astype(np.float32) * factors[t])
    (of_clip / "pred_traj.txt").write_text("\n".join(lines) + "\n")
    np.savetxt(of_clip / "pred_intrinsics.txt", np.tile(lens.reshape(1, 9), (COUNT, 1)), fmt="%.6f")


def test_monst3r_takes_its_metres_from_metric3d(tmp_path):
    write_monst3r(tmp_path, factors=(0.98, 1.0, 1.0, 1.03))
    geometry = Monst3rMetric3d(tmp_path).measure(frames(), nothing())
    assert_true(geometry, rtol=0.03, atol_m=0.1)
    assert "CC-BY-NC-SA-4.0" in geometry.licence
    assert np.isnan(geometry.depth[:, 2]).all()


def test_monst3r_without_a_common_scale_is_refused(tmp_path):
    write_monst3r(tmp_path, factors=(0.5, 1.0, 2.0, 3.0))
    with pytest.raises(InputError, match="no scale"):
        Monst3rMetric3d(tmp_path).measure(frames(), nothing())


def test_monst3r_of_other_frames_is_refused(tmp_path):
    write_monst3r(tmp_path)
    table = tmp_path / "one" / "pred_traj.txt"
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:3]))
    with pytest.raises(InputError, match=r"3 x 8 numbers, not of 4 x 8"):
        Monst3rMetric3d(tmp_path).measure(frames(), nothing())


def test_metric3d_of_other_frames_is_refused(tmp_path):
    write_monst3r(tmp_path)
    (tmp_path / "one" / "metric3d" / "00003.npy").unlink()
    with pytest.raises(InputError, match="3 files of depth for the 4 frames"):
        Monst3rMetric3d(tmp_path).measure(frames(), nothing())


def test_a_pickle_is_not_read(tmp_path):
    write_monst3r(tmp_path)
    np.save(tmp_path / "one" / "frame_0001.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="frame_0001"):
        Monst3rMetric3d(tmp_path).measure(frames(), nothing())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"frames": [0, 5, 10, 20]}, "other frames"),
        ({"size": [320, 200]}, "other frames"),
        ({"tool": "map-anything"}, "written by map-anything"),
        ({"fit": "squeeze"}, "do not fit"),
        ({"extrinsics": "sideways"}, "do not fit"),
    ],
)
def test_files_that_do_not_belong_to_the_clip_are_refused(tmp_path, changes, said):
    write_depth_anything(tmp_path)
    with np.load(tmp_path / "one.npz") as file:
        arrays = dict(file)
    about = {**json.loads(str(arrays.pop("about"))), **changes}
    np.savez(tmp_path / "one.npz", about=np.array(json.dumps(about)), **arrays)
    with pytest.raises(InputError, match=said):
        DepthAnything3(tmp_path).measure(frames(), nothing())


def test_what_is_missing_may_come_later(tmp_path):
    with pytest.raises(Unavailable, match="run_depth_anything_3"):
        DepthAnything3(tmp_path).measure(frames(), nothing())
    with pytest.raises(Unavailable, match="MonST3R"):
        Monst3rMetric3d(tmp_path).measure(frames(), nothing())


def test_broken_files_and_paths_that_lead_out_are_refused(tmp_path):
    (tmp_path / "one.npz").write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(InputError, match="cannot be read"):
        DepthAnything3(tmp_path).measure(frames(), nothing())
    with pytest.raises(InputError, match="leads out"):
        DepthAnything3(tmp_path).measure(frames(id="../one"), nothing())
    with pytest.raises(InputError, match="no external geometry"):
        ExternalGeometry(tmp_path, "vggt")
