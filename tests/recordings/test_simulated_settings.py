"""Scene settings of the simulated source: what each share changes, toys, and the rig kept for the benchmark."""

import json

import numpy as np
import pytest

from st_vlm.errors import InputError
from st_vlm.recordings import open_recordings
from st_vlm.recordings.categories import is_person, noun
from st_vlm.recordings.quality import assess
from st_vlm.recordings.simulated import Simulated
from st_vlm.recordings.simulation.settings import BENCH_RIG, TRAINING_RIG

TOYS = {"toy.car": "toy car", "toy.truck": "toy truck"}
SHARES = ("turning", "reversing", "stopping", "speed_changes", "odd_speeds", "company", "toys")


def read(count, seed=4, **settings):
    source = Simulated(seed=seed, num_recordings=count, **settings)
    return [source.read(name, "camera", images=False) for name in source.recording_ids()]


def movers(recordings):
    """(recording, track, (N - 1, 2) velocities) of what moves."""
    for recording in recordings:
        for track in recording.tracks:
            if np.ptp(track.centres[:, :2], axis=0).max() > 1.0:
                yield recording, track, np.diff(track.centres[:, :2], axis=0) / 0.1


def share(flags):
    flags = list(flags)
    return sum(flags) / len(flags)


def backs(track, velocity):
    moving = np.linalg.norm(velocity, axis=1) > 0.2
    return bool(((velocity * track.rotations[:-1, :2, 0]).sum(1)[moving] < 0).any())


def stands_for_a_while(velocity):
    return bool((np.linalg.norm(velocity, axis=1) < 0.03).sum() >= 8)


def bends(track):
    yaws = np.unwrap(np.arctan2(track.rotations[:, 1, 0], track.rotations[:, 0, 0]))
    return np.ptp(yaws) > np.radians(15)


@pytest.mark.parametrize("name", SHARES)
@pytest.mark.parametrize("value", [-0.1, 1.5, "half", True, None, float("nan"), [0.5]])
def test_what_is_no_share_is_refused(name, value):
    with pytest.raises(InputError, match=rf"option {name} of the simulated source must be a share from 0 to 1, not "):
        Simulated(**{name: value})


@pytest.mark.parametrize("value", ["drone", "Bench", 1, None, ["bench"]])
def test_an_unknown_rig_is_refused(value):
    with pytest.raises(InputError, match="option rig of the simulated source must be training or bench, not "):
        Simulated(rig=value)


def test_settings_are_options_of_the_command_line(st_vlm):
    given = ("--num-recordings", "1", "--option", "toys=1", "--option", "rig=bench", "--format", "jsonl")
    code, out, _ = st_vlm("measure", "simulated", *given)
    assert code == 0
    rows = [json.loads(line) for line in out.splitlines()]
    assert any(row["category"] in TOYS for row in rows)
    code, out, err = st_vlm("measure", "simulated", "--option", "toys=2")
    assert (code, out) == (2, "")
    assert "The option toys of the simulated source must be a share from 0 to 1, not 2." in err


def test_nothing_turns_stops_or_reverses_unless_asked_to():
    plain = {"turning": 0, "reversing": 0, "stopping": 0, "speed_changes": 0, "toys": 0}
    recordings = read(5, **plain)
    for recording, track, velocity in movers(recordings):
        assert not bends(track), (recording.id, track.id)
        assert not backs(track, velocity), (recording.id, track.id)
        speed = np.linalg.norm(velocity, axis=1)
        assert np.ptp(speed) < 1e-3 * speed.max(), (recording.id, track.id)


def test_all_turn_stop_and_reverse_where_asked_to():
    turning = list(movers(read(5, turning=1, stopping=0, reversing=0, toys=0)))
    assert share(bends(track) for _, track, _ in turning) > 0.6
    straight = share(bends(track) for _, track, _ in movers(read(5, turning=0.3, stopping=0, reversing=0, toys=0)))
    assert 0.05 < straight < 0.45
    stopping = share(stands_for_a_while(velocity) for _, _, velocity in movers(read(5, stopping=1, toys=0)))
    assert stopping > 0.5
    reversing = list(movers(read(8, reversing=1, toys=0)))
    vehicles = [m for m in reversing if m[1].category in ("vehicle.car", "vehicle.truck", "vehicle.bus.rigid")]
    assert share(backs(track, velocity) for _, track, velocity in vehicles) > 0.35
    others = [m for m in reversing if m not in vehicles]
    assert not any(backs(track, velocity) for _, track, velocity in others)


def test_odd_speeds_are_those_that_are_rare_for_the_kind():
    usual = {
        "human.pedestrian.adult": (0.8, 4.5),
        "player": (0.8, 7.0),
        "vehicle.bicycle": (1.2, 8.5),
        "vehicle.bus.rigid": (1.5, 13.0),
        "vehicle.car": (2.0, 17.0),
        "vehicle.motorcycle": (1.5, 17.0),
        "vehicle.truck": (1.5, 14.0),
    }
    plain = {"turning": 0, "reversing": 0, "stopping": 0, "speed_changes": 0, "company": 0, "toys": 0}
    tops = {}
    for odd in (0, 1):
        found = movers(read(12, odd_speeds=odd, **plain))
        tops[odd] = [(track.category, np.linalg.norm(velocity, axis=1).max()) for _, track, velocity in found]
    assert all(usual[kind][0] - 0.01 <= top <= usual[kind][1] + 0.01 for kind, top in tops[0])
    assert not any(usual[kind][0] + 0.01 < top < usual[kind][1] - 0.01 for kind, top in tops[1])
    # Crawling cars, sprinting people, bicycles at some 40 km/h; nothing that seems to stand.
    assert any(kind == "vehicle.car" and top < 2 for kind, top in tops[1])
    assert any(kind == "human.pedestrian.adult" and top > 4.5 for kind, top in tops[1])
    assert any(kind == "vehicle.bicycle" and top > 8.5 for kind, top in tops[1])
    assert min(top for _, top in tops[1]) > 0.54


def test_company_brings_objects_of_one_kind_together():
    def alike(company):
        pairs = []
        for recording in read(10, company=company, toys=0):
            if recording.tracks[0].category != "player":
                nouns = [noun(track.category) for track in recording.tracks]
                pairs += [a == b for k, a in enumerate(nouns) for b in nouns[:k]]
        return share(pairs)

    assert alike(0.9) > alike(0.0) + 0.2


@pytest.fixture(scope="module")
def toys():
    return read(8, toys=1)


def test_no_toys_unless_asked_for():
    assert not any(track.category in TOYS for recording in read(8, toys=0) for track in recording.tracks)


def test_toys_are_flagged_small_and_slow_and_seen_from_near_the_ground(toys):
    assert {name: noun(name) for name in TOYS} == TOYS
    assert not any(is_person(name) for name in TOYS)
    for recording in toys:
        assert 0.2 <= recording.camera.poses[0, 2, 3] <= 1.2
        small = [track for track in recording.tracks if track.category in TOYS]
        assert len(small) >= 2
        for track in small:
            assert 0.35 <= track.sizes[0, 0] <= 0.7
            assert track.sizes[0].max() == track.sizes[0, 0]
            assert np.linalg.norm(np.diff(track.centres[:, :2], axis=0), axis=1).max() <= 0.61
        assert assess(recording).drops == ()
    # Someone of full size stands by.
    assert share(any(is_person(track.category) for track in recording.tracks) for recording in toys) >= 0.7


def test_toys_are_asked_about(toys):
    from st_vlm.questions.clips import cut_clips

    asked = []
    for recording in toys:
        clips, _ = cut_clips(recording, assess(recording), np.random.default_rng(0))
        marked = [one for clip in clips for one in clip.objects if one.track.category in TOYS]
        assert marked, recording.id
        asked += [one.motion.mean_speed_kmh for one in marked]
    assert len(asked) >= 8 * 6
    assert max(asked) > 7.0
    assert 0 < min(speed for speed in asked if speed) < 3.0


def disjoint(one, other):
    return one[1] < other[0] or other[1] < one[0]


def test_no_range_of_the_benchmarks_rig_meets_one_of_the_training_rigs():
    ranges = [
        [
            (*rig.fields_of_view, *rig.toy_fields_of_view),
            tuple(rig.heights.values()),
            ((rig.frame_rate, rig.frame_rate),),
        ]
        for rig in (TRAINING_RIG, BENCH_RIG)
    ]
    for training, bench in zip(*ranges, strict=True):
        assert all(disjoint(one, other) for one in training for other in bench), (training, bench)


@pytest.mark.parametrize(("rig", "name"), [(TRAINING_RIG, "training"), (BENCH_RIG, "bench")])
def test_recordings_keep_to_their_rig(rig, name):
    angles, heights = [], []
    for recording in [*read(10, rig=name, toys=0), *read(3, rig=name, toys=1)]:
        angles.append(np.degrees(2 * np.arctan(recording.camera.size[0] / 2 / recording.camera.intrinsics[0, 0])))
        heights.append(recording.camera.poses[0, 2, 3])
        steps = np.diff(recording.frames.times_ns) * 1e-9
        np.testing.assert_allclose(steps, 1 / rig.frame_rate, atol=0.0061)
        np.testing.assert_allclose(steps.mean(), 1 / rig.frame_rate, atol=1e-4)
    for found, ranges in ((angles, (*rig.fields_of_view, *rig.toy_fields_of_view)), (heights, rig.heights.values())):
        held = [[low - 1e-9 <= value <= high + 1e-9 for low, high in ranges] for value in found]
        assert all(any(one) for one in held), found


def test_bench_recordings_are_a_test_split_of_their_own():
    source = open_recordings("simulated", seed=2, num_recordings=12, rig="bench")
    names = source.recording_ids()
    assert names[3] == "simbench-2-00003"
    assert {source.split(name) for name in names} == {"test"}
    assert source.read(names[0]).split == "test"
    with pytest.raises(InputError, match=r"no recording 'sim-2-00003'.* simbench-2-00000 to simbench-2-00011"):
        source.read("sim-2-00003")
    with pytest.raises(InputError, match="no recording 'simbench-2-00003'"):
        Simulated(seed=2).read("simbench-2-00003")
    # The same seed shows other objects, not the same ones from elsewhere.
    trained = Simulated(seed=2).read("sim-2-00003")
    assert {t.sizes[0].tobytes() for t in trained.tracks}.isdisjoint(
        t.sizes[0].tobytes() for t in source.read(names[3]).tracks
    )


def test_clips_of_the_bench_lie_on_the_half_second_grid():
    from st_vlm.questions.clips import cut_clips

    count = 0
    for recording in read(4, rig="bench"):
        clips, _ = cut_clips(recording, assess(recording), np.random.default_rng(0))
        for clip in clips:
            # The recording's last frame comes before the grid's last time, as with any camera.
            inside = clip.times_ns[clip.frames < len(recording.frames) - 1]
            np.testing.assert_allclose(np.diff(inside) * 1e-9, 0.5, atol=0.0061)
            count += 1
    assert count >= 16


def test_scenes_of_any_settings_depend_on_seed_and_index_alone():
    settings = {"toys": 0.5, "rig": "bench", "odd_speeds": 0.4}
    few = Simulated(seed=5, num_recordings=3, **settings).read("simbench-5-00002", "camera")
    many = Simulated(seed=5, num_recordings=50, **settings).read("simbench-5-00002", "camera")
    assert [t.centres.tobytes() for t in few.tracks] == [t.centres.tobytes() for t in many.tracks]
    assert few.frames.read(9).tobytes() == many.frames.read(9).tobytes()
