"""True boxes of annotated recordings, lifted by the ground plane: made by hand, and real ones."""

import numpy as np
import pytest

from st_vlm.errors import InputError
from st_vlm.kinematics.poses import pose
from st_vlm.pseudo_labels.calibration.real_boxes import (
    MOST_FRAMES,
    camera_height,
    evaluate_boxes,
    of_vehicles,
    own_views,
    true_boxes_clips,
)
from st_vlm.pseudo_labels.calibration.summary import MOVING_OVER_M
from st_vlm.recordings import open_recordings
from st_vlm.recordings.recording import Camera, Frames, Recording, Track

STEP_NS = 500_000_000
LOOKS_ALONG_X = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])


def track(name, category, places, size, yaw=0.0, first=0):
    count = len(places)
    turn = np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
    centres = np.concatenate([places, np.full((count, 1), size[2] / 2 - 0.3)], axis=1)
    times = (first + np.arange(count)) * STEP_NS
    return Track(name, category, times, centres, np.tile(size, (count, 1)), np.tile(turn, (count, 1, 1)))


def recording(frames=60, source="argoverse2"):
    """A camera 1.2 m above the axle that the path is of, which rides 0.33 m above a ground at -0.3 m; one car ahead of
    it drives away, one is parked, one is far off."""
    seconds = np.arange(frames) * 0.5
    still = np.zeros(frames)
    ego = np.stack([0 * still, still, still + 0.03], axis=-1)
    poses = np.tile(pose(LOOKS_ALONG_X, np.array([0.0, 0, 1.23])), (frames, 1, 1))
    times = np.arange(frames) * STEP_NS
    return Recording(
        id="one",
        source=source,
        licence="CC0-1.0",
        tracks=(
            track("away", "REGULAR_VEHICLE", np.stack([8 + 0.6 * seconds, 1 + still], -1), (4.5, 1.9, 1.6)),
            track("far", "REGULAR_VEHICLE", np.stack([38 + 0.6 * seconds, 9 + still], -1), (4.5, 1.9, 1.6)),
            track("parked", "REGULAR_VEHICLE", np.stack([14 + still, -4 + still], -1), (4.5, 1.9, 1.6)),
        ),
        camera=Camera("front", np.array([[900.0, 0, 640], [0, 900, 360], [0, 0, 1]]), (1280, 720), poses),
        frames=Frames(times, None),
        ego_times_ns=times,
        ego_centres=ego,
    )


def test_a_long_recording_becomes_clips_in_a_row():
    clips = list(true_boxes_clips(recording(frames=84)))
    assert [len(clip.times_ns) for clip in clips] == [MOST_FRAMES, MOST_FRAMES]
    assert clips[1].times_ns[0] == MOST_FRAMES * STEP_NS
    assert clips[1].times_s[0] == 0
    names = [track.id for track in clips[0].tracks]
    assert clips[0].motions[names.index("far")] is None
    assert clips[0].motions[names.index("parked")].distance_m == 0
    away = names.index("away")
    assert clips[0].motions[away].distance_m == pytest.approx(0.6 * 19.5, abs=0.1)
    assert clips[0].ranges_m[away] == pytest.approx(8 + 0.6 * 9.75, abs=0.5)


def test_the_height_is_that_of_the_mount_above_the_road():
    assert camera_height(recording()) == pytest.approx(1.2 + 0.33)
    assert camera_height(recording(source="nuscenes")) == pytest.approx(1.2)
    with pytest.raises(InputError, match="does not tell how high"):
        camera_height(recording(source="ego_exo4d"))
    rec = recording()
    blind = Recording(rec.id, rec.source, rec.licence, rec.tracks)
    with pytest.raises(InputError, match="has no camera"):
        list(true_boxes_clips(blind))


def test_what_is_lifted_agrees_with_what_was_put_there():
    found = {(c.track, k): c for k, c in enumerate(evaluate_boxes(recording(frames=40)))}
    by_name = {name: c for (name, _), c in found.items()}
    assert set(by_name) == {"away", "parked"}
    assert by_name["away"].said_m == pytest.approx(by_name["away"].true_m, rel=0.05)
    assert by_name["parked"].said_static
    assert by_name["parked"].said_m == 0


def test_views_that_show_the_same_count_once():
    names = ["ring_front_center", "ring_rear_left", "stereo_front_left", "stereo_front_right"]
    assert own_views(names) == names[:2]
    assert own_views(["image_02", "image_03"]) == ["image_02"]
    assert own_views(["image_03"]) == ["image_03"]
    assert own_views(["CAM_BACK", "CAM_FRONT"]) == ["CAM_BACK", "CAM_FRONT"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "folder", "least"),
    [("nuscenes", "nuscenes", 3), ("argoverse2", "argoverse2/sensor/val", 9), ("kitti", "kitti_tracking", 6)],
)
def test_the_bar_for_real_boxes(real_data, source, folder, least):
    """Vehicles that travel over 5 m within 40 m: a median error of 25 % at most, on each of the three data sets."""
    recordings = open_recordings(source, real_data / folder)
    found = []
    for recording_id in recordings.recording_ids():
        for camera in own_views(recordings.cameras(recording_id, images=False)):
            found += evaluate_boxes(recordings.read(recording_id, camera, images=False))
    moving = [c for c in of_vehicles(found) if c.moves and c.true_m > MOVING_OVER_M and c.answered]
    assert len(moving) >= least
    assert np.median([abs(c.said_m - c.true_m) / c.true_m for c in moving]) <= 0.25
    standing = [c for c in found if not c.moves and c.answered]
    assert np.mean([c.said_m == 0 for c in standing]) > 0.8


def test_exact_boxes_of_the_simulation():
    recordings = open_recordings("simulated", None, num_recordings=3)
    found = []
    for recording_id in recordings.recording_ids():
        found += evaluate_boxes(recordings.read(recording_id, "camera", images=False))
    moving = [c for c in found if c.moves and c.true_m > MOVING_OVER_M and c.answered]
    assert len(moving) >= 8
    assert np.median([abs(c.said_m - c.true_m) / c.true_m for c in moving]) < 0.08
