"""Many spans at once against each span by itself: grids, static tests, headings and runs, to the last digit."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from st_vlm.kinematics import headings, motion
from st_vlm.kinematics.many_headings import end_chords, many_hour_runs, many_step_headings
from st_vlm.kinematics.many_spans import ManySpans, lay_out, static_tests
from st_vlm.kinematics.resampling import positions_at, time_grid

seeds = st.integers(0, 2**32 - 1)
EPOCH, S = 1_700_000_000_123_456_789, 10**9


def driven(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Boxes at 2 or 10 Hz, with or without jitter, of an object of round speeds that stops and turns, also sharply."""
    count = int(rng.integers(30, 80))
    steps = rng.choice([S // 10, S // 2]) + rng.integers(0, rng.choice([1, S // 40]), count)
    times = EPOCH + np.cumsum(steps)
    speed = rng.choice([0.0, 0.1, 0.4, 1.0, 2.0, 4.0, 8.0], 5)[rng.integers(0, 5, count).cumsum() // 12 % 5]
    heading = np.cumsum(rng.choice([0.0, 0.0, 0.0, 0.2, -0.3, np.pi / 2], count))
    moves = (speed * steps * 1e-9)[:, None] * np.stack([np.cos(heading), np.sin(heading), 0 * heading], axis=1)
    noise = rng.normal(0, rng.choice([0.0, 0.01]), (count, 3))
    return times, rng.uniform(-1e3, 1e3, 3) + np.cumsum(moves, axis=0) + noise


def spans_of(seed: int) -> tuple[ManySpans, list[tuple[np.ndarray, np.ndarray]]]:
    """Spans of three tracks, some on the grid to their end; and each made by itself."""
    rng = np.random.default_rng(seed)
    tracks = [driven(rng) for _ in range(3)]
    owner = np.sort(rng.integers(0, 3, 12))
    start, end = [], []
    for k in owner:
        times = tracks[k][0]
        first = int(rng.integers(times[0], times[-1] - S))
        last = int(rng.integers(first + S // 2, times[-1] + 1))
        start.append(first)
        end.append(first + (last - first) // (S // 2) * (S // 2) if rng.random() < 0.4 else last)
    origin = np.array(start) - rng.integers(0, 3 * S, 12)
    single = []
    for k, first, last, zero in zip(owner, start, end, origin, strict=True):
        grid = time_grid(first, last)
        single.append(((grid - zero) * 1e-9, positions_at(*tracks[k], grid)[:, :2]))
    times, centres = zip(*tracks, strict=True)
    return lay_out(times, centres, owner, np.array(start), np.array(end), origin), single


@given(seeds)
def test_grids_and_positions_are_those_of_each_span(seed):
    spans, single = spans_of(seed)
    wanted = np.random.default_rng(seed).random(len(spans)) < 0.5
    chosen = spans.chosen(wanted)
    for found, expected in (
        (spans, single),
        (chosen, [one for one, kept in zip(single, wanted, strict=True) if kept]),
    ):
        assert len(found) == len(expected)
        for k, (times, points) in enumerate(expected):
            np.testing.assert_array_equal(found.span(k)[0], times)
            np.testing.assert_array_equal(found.span(k)[1], points)


@given(seeds)
def test_static_tests_are_those_of_each_span(seed):
    spans, single = spans_of(seed)
    rng = np.random.default_rng(seed)
    person, slack, sigma = rng.random(12) < 0.5, rng.choice([0.0, 0.3], 12), rng.choice([0.0, 0.1], 12)
    expected = [motion.static_test(*one, *given) for one, *given in zip(single, person, slack, sigma, strict=True)]
    assert static_tests(spans, person, slack, sigma).tolist() == expected


def test_static_tests_at_the_very_limits():
    """Extents of just the limits and half a metre in the fastest second: what is nearest is not decided in passing."""
    times = np.arange(0, 4.1, 0.5)
    reaches = [0.5, 0.75, 1.0, 2.0, np.nextafter(0.75, 1), np.nextafter(2.0, 1), np.nextafter(2.0, 0)]
    paths = [np.stack([reach * times / 4, 0 * times], axis=1) for reach in reaches]
    lasts = np.arange(1, len(paths) + 1) * len(times) - 1
    spans = ManySpans(np.tile(times, len(paths)), np.concatenate(paths), lasts - len(times) + 1, lasts)
    for person in (True, False):
        expected = [motion.static_test(times, path, person) for path in paths]
        assert static_tests(spans, np.full(len(paths), person)).tolist() == expected


def test_a_short_last_step_is_no_part_of_a_second():
    """It backs up and then moves half a metre in 0.7 s, but in no whole second."""
    times = np.append(np.arange(0, 10.1, 0.5), 10.2)
    x = np.append(np.linspace(0, 3.6, 19), [3.3, 3.56, 3.82])
    points = np.stack([x, 0 * x], axis=1)
    assert motion.static_test(times, points, False) is motion.Moving.UNDECIDED
    spans = ManySpans(times, points, np.array([0]), np.array([len(x) - 1]))
    assert static_tests(spans, np.array([False])).tolist() == [motion.Moving.UNDECIDED]


def test_no_spans_at_all():
    none = np.empty(0, np.int64)
    spans = lay_out([], [], none, none, none, none)
    assert len(spans) == 0
    assert static_tests(spans, np.empty(0, bool)).tolist() == []


@given(seeds)
def test_headings_and_runs_are_those_of_each_span(seed):
    spans, single = spans_of(seed)
    chords = np.random.default_rng(seed).choice([1.0, 2.0], len(spans))
    initial, final = end_chords(spans, chords)
    steps, found = many_step_headings(spans, chords)
    runs = many_hour_runs(spans, chords, initial)
    for k, ((times, points), chord) in enumerate(zip(single, chords, strict=True)):
        assert nan_is_none(initial[k]) == headings.initial_heading(points, chord)
        assert nan_is_none(final[k]) == headings.final_heading(points, chord)
        own = [nan_is_none(angle) for angle in found[spans.owner[steps] == k]]
        assert own == headings.step_headings(times, points, chord)
        mine = runs.owner == k
        columns = (values[mine].tolist() for values in (runs.starts_s, runs.ends_s, runs.hours))
        assert [headings.Run(start, end, hour or None) for start, end, hour in zip(*columns, strict=True)] == (
            headings.hour_runs(times, points, chord)
        )


def nan_is_none(angle: float) -> float | None:
    return None if np.isnan(angle) else float(angle)
