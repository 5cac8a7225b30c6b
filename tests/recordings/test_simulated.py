"""The simulated source: what every recording promises, measured on its tracks and poses alone."""

import numpy as np
import pytest

from st_vlm.errors import InputError
from st_vlm.kinematics.poses import invert, transform
from st_vlm.recordings import open_recordings
from st_vlm.recordings.categories import is_person
from st_vlm.recordings.simulated import Simulated

CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) / 2


@pytest.fixture(scope="module")
def recordings():
    source = Simulated(seed=3, num_recordings=40)
    return [source.read(name, "camera") for name in source.recording_ids()]


def tracks_of(recordings):
    return [(recording, track) for recording in recordings for track in recording.tracks]


def moves(track):
    return np.ptp(track.centres[:, :2], axis=0).max() > 1.0


def velocities(track):
    return np.diff(track.centres[:, :2], axis=0) / np.diff(track.times_ns * 1e-9)[:, None]


def seen_well(recording, track):
    """(F,) bool from the projected corners: box height >= 4.4 % of the image, at most half of its area cut off."""
    width, height = recording.camera.size
    result = np.zeros(len(recording.frames), bool)
    for frame, time in enumerate(recording.frames.times_ns):
        if not track.times_ns[0] <= time <= track.times_ns[-1]:
            continue
        near = np.abs(track.times_ns - time).argmin()
        corners = (CORNERS * track.sizes[near]) @ track.rotations[near].T + track.centres[near]
        points = transform(invert(recording.camera.poses[frame]), corners)
        if points[:, 2].min() < 0.1:
            continue
        pixels = points @ recording.camera.intrinsics.T
        pixels = pixels[:, :2] / pixels[:, 2:]
        low, high = pixels.min(0), pixels.max(0)
        inside = np.clip(np.minimum(high, (width, height)) - np.maximum(low, 0), 0, None)
        result[frame] = high[1] - low[1] >= 0.044 * height and inside.prod() >= 0.5 * (high - low).prod()
    return result


def test_a_recording_depends_on_its_seed_and_index_alone():
    few = Simulated(seed=5, num_recordings=3).read("sim-5-00002", "camera")
    many = Simulated(seed=5, num_recordings=50).read("sim-5-00002", "camera")
    assert few.id == many.id
    assert len(few.tracks) == len(many.tracks)
    for one, other in zip(few.tracks, many.tracks, strict=True):
        assert one.centres.tobytes() == other.centres.tobytes()
        assert one.rotations.tobytes() == other.rotations.tobytes()
        assert one.category == other.category
    # The order in which frames are read does not matter either.
    last_first = [few.frames.read(i) for i in (40, 7)][::-1]
    assert [image.tobytes() for image in last_first] == [many.frames.read(i).tobytes() for i in (7, 40)]


def test_tracks_are_the_same_with_and_without_the_camera():
    source = Simulated(seed=5)
    bare, full = source.read("sim-5-00001"), source.read("sim-5-00001", "camera")
    assert bare.camera is None
    assert [t.centres.tobytes() for t in bare.tracks] == [t.centres.tobytes() for t in full.tracks]


def test_other_seeds_and_indices_give_other_recordings():
    names = [(0, "sim-0-00000"), (0, "sim-0-00001"), (1, "sim-1-00000")]
    centres = [Simulated(seed=seed).read(name).tracks[0].centres.tobytes() for seed, name in names]
    assert len(set(centres)) == 3


def test_ids_cameras_and_splits():
    source = open_recordings("simulated", seed=2, num_recordings=20)
    names = source.recording_ids()
    assert len(set(names)) == 20
    assert names[13] == "sim-2-00013"
    assert source.cameras(names[0]) == ("camera",)
    splits = [source.read(name).split for name in names[:10]]
    assert splits == ["train"] * 8 + ["validation", "test"]


def test_clocks(recordings):
    for recording in recordings:
        frames = recording.frames.times_ns
        assert np.abs(np.diff(frames) - 100e6).max() <= 6e6
        assert len(set(np.diff(frames))) > 10, "the camera's clock is uneven"
        for track in recording.tracks:
            assert (np.diff(track.times_ns) == 100_000_000).all()
            assert recording.ego_times_ns[0] <= track.times_ns[0]
        assert 15.9 <= (frames[-1] - frames[0]) * 1e-9 + 0.1 <= 20.1
        assert recording.ego_times_ns[0] <= frames[0]
        assert frames[-1] <= recording.ego_times_ns[-1]


def test_the_ego_path_is_the_cameras(recordings):
    for recording in recordings:
        for axis in range(3):
            there = np.interp(recording.frames.times_ns, recording.ego_times_ns, recording.ego_centres[:, axis])
            np.testing.assert_allclose(recording.camera.poses[:, axis, 3], there, atol=0.02)


def test_standing_and_driving_cameras_both_occur(recordings):
    paths = [np.ptp(recording.camera.poses[:, :3, 3], axis=0).max() for recording in recordings]
    heights = np.array([recording.camera.poses[0, 2, 3] for recording in recordings])
    assert sum(path == 0.0 for path in paths) >= 8
    assert sum(path > 10.0 for path in paths) >= 8
    of_toys = np.array([any(track.category.startswith("toy.") for track in r.tracks) for r in recordings])
    assert ((heights[~of_toys] > 1.29) & (heights[~of_toys] < 7.01)).all()
    assert ((heights[of_toys] > 0.24) & (heights[of_toys] < 1.01)).all()
    fields_of_view = [np.degrees(2 * np.arctan(r.camera.size[0] / 2 / r.camera.intrinsics[0, 0])) for r in recordings]
    assert min(fields_of_view) >= 49.9
    assert max(fields_of_view) <= 90.1
    assert np.ptp(fields_of_view) > 25


def test_speeds_and_accelerations_are_those_of_the_class(recordings):
    # A share of them is as fast as hardly anyone of their class.
    fastest = {"human.pedestrian.adult": 8.1, "player": 8.6, "vehicle.bicycle": 12.1, "vehicle.bus.rigid": 13.1}
    fastest |= {"toy.car": 6.1, "toy.truck": 5.1}
    for recording, track in tracks_of(recordings):
        velocity = velocities(track)
        speed = np.linalg.norm(velocity, axis=1)
        assert speed.max(initial=0) <= fastest.get(track.category, 17.1), (recording.id, track.id)
        acceleration = np.diff(velocity, axis=0) * 10
        along = velocity[1:] / np.maximum(speed[1:, None], 1e-9)
        tangential = np.abs((acceleration * along).sum(1))[speed[1:] > 0.3]
        lateral = np.abs(acceleration[:, 0] * along[:, 1] - acceleration[:, 1] * along[:, 0])[speed[1:] > 0.3]
        assert tangential.max(initial=0) <= 4.2, (recording.id, track.id)
        assert lateral.max(initial=0) <= 5.0, (recording.id, track.id)


def test_objects_go_where_their_nose_points_or_straight_back(recordings):
    reversing = 0
    for recording, track in tracks_of(recordings):
        velocity = velocities(track)
        speed = np.linalg.norm(velocity, axis=1)
        nose = (track.rotations[1:, :2, 0] + track.rotations[:-1, :2, 0]) / 2
        nose /= np.linalg.norm(nose, axis=1, keepdims=True)
        cosine = (velocity * nose).sum(1)[speed > 0.3] / speed[speed > 0.3]
        assert (np.abs(cosine) > 0.995).all(), (recording.id, track.id)
        reversing += (cosine < 0).any() and not is_person(track.category)
    assert reversing >= 3


def test_objects_stand_on_the_ground_and_keep_their_size(recordings):
    for _, track in tracks_of(recordings):
        np.testing.assert_allclose(track.centres[:, 2], track.sizes[:, 2] / 2)
        assert (track.sizes == track.sizes[0]).all()
        np.testing.assert_allclose(track.rotations[:, 2], np.tile([0.0, 0.0, 1.0], (len(track), 1)), atol=1e-12)


def test_nothing_interpenetrates(recordings):
    """Points along the outline of each footprint stay out of every other footprint, and the camera out of all."""
    side = np.linspace(-0.5, 0.5, 21)
    half = np.full_like(side, 0.5)
    outline = np.concatenate([np.stack(p, -1) for p in ((side, half), (side, -half), (half, side), (-half, side))])
    for recording in recordings:
        tracks = recording.tracks
        for track in tracks:
            points = (outline * track.sizes[0, :2]) @ np.swapaxes(track.rotations[:, :2, :2], 1, 2)
            points += track.centres[:, None, :2]
            camera_at = np.searchsorted(recording.ego_times_ns, track.times_ns)
            distance = np.linalg.norm(points - recording.ego_centres[camera_at, None, :2], axis=-1)
            assert distance.min() > 0.5, (recording.id, track.id)
            for other in tracks:
                if other is track:
                    continue
                _, mine, theirs = np.intersect1d(track.times_ns, other.times_ns, return_indices=True)
                local = (points[mine] - other.centres[theirs, None, :2]) @ other.rotations[theirs, :2, :2]
                inside = (np.abs(local) < other.sizes[0, :2] / 2).all(-1)
                assert not inside.any(), (recording.id, track.id, other.id)


def test_every_recording_shows_moving_objects_well(recordings):
    for recording in recordings[:10]:
        movers = [track for track in recording.tracks if moves(track)]
        assert sum(seen_well(recording, track).sum() >= 40 for track in movers) >= 3, recording.id


def test_turns_cover_the_clock_and_some_objects_stand_still(recordings):
    hours, still, total = np.zeros(13), 0, 0
    for recording, track in tracks_of(recordings):
        total += 1
        if not moves(track):
            still += 1
            # An exact zero, never in the dead zone of the static test.
            assert np.ptp(track.centres, axis=0).max() < 0.01, (recording.id, track.id)
            continue
        reach = 1.0 if is_person(track.category) else 2.0
        points = track.centres[:, :2]
        away = np.linalg.norm(points - points[0], axis=1) >= reach
        back = np.linalg.norm(points - points[-1], axis=1) >= reach
        if not away.any() or not back.any():
            continue
        first = points[away.argmax()] - points[0]
        last = points[-1] - points[len(points) - 1 - back[::-1].argmax()]
        clockwise = np.degrees(np.arctan2(*first[::-1]) - np.arctan2(*last[::-1]))
        hours[round(clockwise / 30) % 12 or 12] += 1
    shares = hours[1:] / hours.sum()
    assert shares[:11].min() > 0.02, shares
    assert shares[11] < 0.4, shares
    assert 0.05 < still / total < 0.2


def test_categories_and_speeds_are_mixed(recordings):
    categories = {track.category for _, track in tracks_of(recordings)}
    assert categories - {"toy.car", "toy.truck"} == {
        "human.pedestrian.adult",
        "player",
        "vehicle.bicycle",
        "vehicle.bus.rigid",
        "vehicle.car",
        "vehicle.motorcycle",
        "vehicle.truck",
    }
    cars = [t for _, t in tracks_of(recordings) if t.category == "vehicle.car" and moves(t)]
    top = [np.linalg.norm(velocities(track), axis=1).max() * 3.6 for track in cars]
    assert min(top) < 15
    assert max(top) > 45


def test_some_objects_stop_and_start_again(recordings):
    count = 0
    for _, track in tracks_of(recordings):
        speed = np.linalg.norm(velocities(track), axis=1)
        slow = np.flatnonzero(speed < 0.05)
        if len(slow) >= 10 and speed[: slow[0]].max(initial=0) > 1 and speed[slow[-1] :].max(initial=0) > 1:
            count += 1
    assert count >= 10


@pytest.mark.parametrize(
    "options", [{"num_recordings": 0}, {"num_recordings": 2.5}, {"seed": -1}, {"seed": True}, {"image_size": (0, 256)}]
)
def test_arguments_without_sense_are_refused(options):
    with pytest.raises(InputError, match=next(iter(options))):
        Simulated(**options)


def test_a_path_is_refused():
    with pytest.raises(InputError, match="reads no files"):
        Simulated("somewhere")


@pytest.mark.parametrize("name", ["sim-0-00060", "sim-1-00000", "sim-0-0", "sim-0--0001", "scene-0103", "", "sim-0-²"])
def test_an_unknown_recording_is_refused(name):
    source = Simulated()
    with pytest.raises(InputError, match="no recording"):
        source.read(name)
    with pytest.raises(InputError, match="no recording"):
        source.cameras(name)


def test_an_unknown_camera_or_frame_is_refused():
    source = Simulated()
    with pytest.raises(InputError, match="CAM_FRONT"):
        source.read("sim-0-00000", "CAM_FRONT")
    recording = source.read("sim-0-00000", "camera")
    with pytest.raises(InputError, match="outside"):
        recording.frames.read(len(recording.frames))
