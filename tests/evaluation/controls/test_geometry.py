"""What is mirrored, reversed or cropped projects to what is seen in the changed picture."""

from dataclasses import replace

import hand_built
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from st_vlm.evaluation.controls.geometry import (
    crop_of_marks,
    cropped_box,
    cropped_intrinsics,
    mirrored_box,
    mirrored_intrinsics,
    mirrored_lens,
    mirrored_poses,
    mirrored_track,
    pivot_ns,
    reversed_track,
)
from st_vlm.kinematics.poses import pose, rotation_about_up
from st_vlm.kinematics.projection import project_boxes
from st_vlm.recordings import Camera

SIZE = (400, 200)
LENSES = [("none", ()), ("radial", (-0.1, 0.01)), ("brown_conrady", (-0.1, 0.01, 0.02, -0.03, 0.001))]
yaws = st.floats(-3.0, 3.0)
places = st.tuples(st.floats(-8, 8), st.floats(8, 40), st.floats(0, 2))


def camera(yaw: float, lens=LENSES[0]) -> Camera:
    """At (1, -2, 1.5), turned by `yaw` from looking along +y and tilted a little; skewed, off its middle."""
    tilt = np.array([[1, 0, 0], [0, np.cos(0.1), -np.sin(0.1)], [0, np.sin(0.1), np.cos(0.1)]])
    turned = rotation_about_up(np.array(yaw)) @ hand_built.LOOKING_ALONG_Y @ tilt
    intrinsics = np.array([[210.0, 3.0, 190.0], [0, 205.0, 108.0], [0, 0, 1.0]])
    return Camera("front", intrinsics, SIZE, pose(turned, np.array([1.0, -2.0, 1.5]))[None], lens[0], lens[1])


def box_track(place, heading: float):
    x, y, z = place
    track = hand_built.track("a", hand_built.straight(x, y), times_s=[0.0, 1.0], heading=heading)
    return replace(track, centres=track.centres + np.array([0, 0, z]))


def seen(track, eye: Camera) -> list[float] | None:
    box = project_boxes(track.centres[:1], track.sizes[:1], track.rotations[:1], eye.poses[0], eye).clipped[0]
    return None if np.isnan(box).any() else box.tolist()


@pytest.mark.parametrize("lens", LENSES, ids=lambda lens: lens[0])
@given(place=places, heading=yaws, yaw=st.floats(-0.4, 0.4))
def test_a_mirrored_box_before_a_mirrored_camera_is_the_mirrored_picture(lens, place, heading, yaw):
    track, eye = box_track(place, heading), camera(yaw, lens)
    other = Camera(
        "front",
        mirrored_intrinsics(eye.intrinsics, SIZE[0]),
        SIZE,
        mirrored_poses(eye.poses),
        eye.distortion,
        tuple(mirrored_lens(eye.distortion, eye.distortion_coefficients)),
    )
    before, after = seen(track, eye), seen(mirrored_track(track), other)
    wanted = mirrored_box(before, SIZE[0])
    assert (after is None) == (wanted is None)
    if after is not None:
        assert after == pytest.approx(wanted, abs=0.011)


@given(place=places, heading=yaws, yaw=yaws)
def test_what_is_mirrored_stays_proper_and_upright(place, heading, yaw):
    track = mirrored_track(box_track(place, heading))
    for rotation in (track.rotations[0], mirrored_poses(camera(yaw).poses)[0, :3, :3]):
        assert np.linalg.det(rotation) == pytest.approx(1.0)
        assert rotation @ rotation.T == pytest.approx(np.eye(3))
    assert track.rotations[0][:, 2] == pytest.approx([0, 0, 1])
    # Its nose points to the other side.
    assert track.rotations[0][:, 0] == pytest.approx([np.cos(heading), -np.sin(heading), 0])


def test_twice_is_nothing():
    track = hand_built.track("a", hand_built.along(3.0, (0, 8), (5, 20), (-3, 30)), heading=0.7)
    made = hand_built.recording(track, hand_built.track("b", hand_built.straight(0, 9), times_s=[-2.0, 4.0]))
    pivot = pivot_ns(made)
    for again in (mirrored_track(mirrored_track(track)), reversed_track(reversed_track(track, pivot), pivot)):
        for name in ("times_ns", "centres", "sizes", "rotations"):
            assert getattr(again, name) == pytest.approx(getattr(track, name))
    # First and last box of the recording change places.
    assert reversed_track(made.tracks[0], pivot).times_ns[0] == hand_built.nanoseconds([-2.0])[0]
    assert reversed_track(track, pivot).centres[0] == pytest.approx(track.centres[-1])


@given(place=places, heading=yaws, seed=st.integers(0, 1000))
def test_a_crop_keeps_every_box_and_the_camera_sees_them_where_they_are(place, heading, seed):
    track, eye = box_track(place, heading), camera(0.0)
    box = seen(track, eye)
    if box is None:
        return
    crop = crop_of_marks(np.array([box]), SIZE, (1.2, 1.6), np.random.default_rng(seed))
    if crop is None:
        assert box[2] - box[0] > SIZE[0] / 1.2 or box[3] - box[1] > SIZE[1] / 1.2
        return
    left, top, zoom = crop
    assert 1.2 <= zoom <= 1.6
    assert left >= -1e-9
    assert top >= -1e-9
    assert left + SIZE[0] / zoom <= SIZE[0] + 1e-9
    assert top + SIZE[1] / zoom <= SIZE[1] + 1e-9
    moved = cropped_box(box, crop, SIZE)
    assert (np.array(moved[2:]) - moved[:2]) == pytest.approx(zoom * (np.array(box[2:]) - box[:2]), abs=0.03)
    near = replace(eye, intrinsics=cropped_intrinsics(eye.intrinsics, crop))
    whole = project_boxes(track.centres[:1], track.sizes[:1], track.rotations[:1], near.poses[0], near).clipped[0]
    # Where the picture cut the box, the crop's own picture may show more of it.
    inside = [x for k, x in enumerate(box) if 0 < x < SIZE[k % 2]]
    shown = [(a, b) for a, b, x in zip(moved, whole, box, strict=True) if x in inside]
    assert [a for a, _ in shown] == pytest.approx([b for _, b in shown], abs=0.02)
