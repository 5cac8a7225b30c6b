"""All windows of a recording at once, and the choice among them, against each window and object by itself."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from streets import street

from st_vlm.kinematics.headings import step_headings, wrap
from st_vlm.kinematics.motion import Moving
from st_vlm.questions.choosing import choose, overlap
from st_vlm.questions.motion import span_motion
from st_vlm.questions.sightings import Span, look, object_span, run_span
from st_vlm.questions.turns import asked_hour, asked_runs
from st_vlm.questions.windows import MOST_STEP_S, WindowFinder
from st_vlm.video.sampling import sample_indices

LENGTHS = (3.0, 6.0, 12.0)
seeds = st.integers(0, 2**32 - 1)


def one_by_one(made, sightings):
    """(first, last) -> track -> (span, state, hour or None, hours of runs), of every window with something to ask."""
    times, found, measured = sightings.times_ns, {}, {}
    for length in LENGTHS:
        for first in range(len(times) - round(2 * length)):
            last = first + round(2 * length)
            seconds = (times[first : last + 1] - times[first]) * 1e-9
            if np.diff(seconds).max() > MOST_STEP_S or len(sample_indices(seconds)) < len(seconds):
                continue
            offers = {}
            for k, track in enumerate(made.tracks):
                span = object_span(sightings, k, first, last)
                if span is None:
                    continue
                key = k, *(int(times[first]) + round(t * 1e9) for t in (span.start_s, span.end_s))
                if key not in measured:
                    motion = span_motion(made, track, int(times[first]), span.start_s, span.end_s)
                    moves = motion.state is Moving.MOVING and turns(made, sightings, k)
                    runs = {run.hour for run in asked_runs(motion)} if moves else set()
                    measured[key] = motion.state, asked_hour(motion) if moves else None, runs
                if measured[key][0] is not Moving.UNDECIDED:
                    offers[k] = span, *measured[key]
            if offers:
                found[first, last] = offers
    return found


def turns(made, sightings, k) -> bool:
    times = sightings.times_ns
    for run in sightings.runs[k]:
        span = run_span(times, run, 0, len(times) - 1)
        if span is None:
            return True
        motion = span_motion(made, made.tracks[k], int(times[0]), span.start_s, span.end_s)
        headings = step_headings(motion.times_s, motion.points, motion.chord_m)
        if None in headings:
            return True
        off = wrap(np.array(headings) - headings[0])
        if off.max() - off.min() >= np.deg2rad(10.0):
            return True
    return False


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_what_windows_offer_is_what_each_offers_by_itself(seed):
    made = street(seed)
    sightings = look(made)
    windows = WindowFinder(made, sightings).of_lengths(LENGTHS)
    expected = one_by_one(made, sightings)
    assert list(zip(windows.firsts.tolist(), windows.lasts.tolist(), strict=True)) == list(expected)
    for w, offers in enumerate(expected.values()):
        assert np.flatnonzero(windows.offered[:, w]).tolist() == list(offers)
        for k, (span, state, hour, runs) in offers.items():
            assert windows.span(k, w) == span
            assert windows.covers()[k, w] == span.covers_clip
            assert windows.static[k, w] == (state is Moving.STATIC)
            assert windows.hours[k, w] == (hour or 0)
            assert windows.runs[k, w] == sum(1 << one for one in runs)


def worth(span: Span, state: Moving, hour: int | None, runs: set[int], earlier: list) -> float:
    """The rule for one object, spelt out: `earlier` are the hours and runs of its earlier choices."""
    value = 0.2 if state is Moving.STATIC else 1.0
    if hour not in (None, 12, *(one[0] for one in earlier)):
        value += 1.0
    if runs - {12}.union(*(one[1] for one in earlier)):
        value += 1.0
    elif runs and not any(one[1] for one in earlier):
        value += 0.5
    return value * 0.25 ** len(earlier) * (1.7 if span.covers_clip else 1.0)


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_each_choice_is_worth_most_of_all_windows_of_its_length(seed):
    made = street(seed)
    sightings = look(made)
    windows = WindowFinder(made, sightings).of_lengths(LENGTHS)
    offers = one_by_one(made, sightings)
    chosen = choose(windows, LENGTHS, np.random.default_rng(seed), 8)
    keys = list(offers)
    earlier: list[tuple[tuple[int, int], tuple[int, ...]]] = []

    def values(key) -> dict[int, float]:
        found = {}
        for k, offer in offers[key].items():
            asked = [other for other, marked in earlier if k in marked]
            near = any(overlap(key, other) > 0.3 for other in asked)
            found[k] = 0.0 if near else worth(*offer, [offers[other][k][2:] for other in asked])
        return found

    for one in chosen:
        key, count = keys[one.window], len(one.marked)
        own = values(key)
        best = sorted(own.values(), reverse=True)[:count]
        assert [own[k] for k in one.marked] == best
        assert key not in [other for other, _ in earlier]
        rivals = [other for other in keys if other[1] - other[0] == key[1] - key[0]]
        rivals = [other for other in rivals if other not in [taken for taken, _ in earlier]]
        # A window with fewer objects than marks would be marked whole.
        assert all(sum(sorted(values(other).values(), reverse=True)[:count]) <= sum(best) + 1e-9 for other in rivals)
        earlier.append((key, one.marked))
    assert bool(chosen) == bool(keys)
