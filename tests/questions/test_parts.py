"""All parts of a clip at once against each part measured by itself."""

from itertools import combinations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from streets import street

from st_vlm.kinematics.resampling import STEP_S
from st_vlm.questions.clips import cut_clips
from st_vlm.questions.measuring import farther, relation
from st_vlm.questions.parts import DIFFERENT, NONE, OPEN, SAME, first_that, half_second_parts
from st_vlm.recordings.quality import assess

seeds = st.integers(0, 2**32 - 1)
VERDICTS = {None: NONE, "same": SAME, "different": DIFFERENT, 0: 0, 1: 1}


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_verdicts_are_those_of_each_part_and_seldom_left_open(seed):
    made = street(seed)
    open_, all_ = 0, 0
    for clip in cut_clips(made, assess(made), np.random.default_rng(seed), most=3)[0]:
        for pair in combinations(range(len(clip.objects)), 2):
            spans = [clip.objects[k].span for k in pair]
            start, end = max(one.start_s for one in spans), min(one.end_s for one in spans)
            for rule, shortest, longest in (("farther", 2.0, 6.0), ("relation", 1.0, 3.0)):
                starts, steps = half_second_parts(start, end, shortest, longest)
                verdicts = getattr(clip.half_seconds, rule)(pair, starts, steps)
                for a, n, verdict in zip(starts, steps, verdicts, strict=True):
                    motions = [clip.motion(k, int(a) * STEP_S, int(a + n) * STEP_S) for k in pair]
                    said = farther(motions) if rule == "farther" else relation(motions, int(n) * STEP_S)
                    assert verdict in (OPEN, VERDICTS[said])
                open_, all_ = open_ + (verdicts == OPEN).sum(), all_ + len(verdicts)
    # Round speeds lie at the limits more often than anything real.
    assert open_ <= 0.5 * all_


@given(st.floats(0, 8), st.floats(0, 20), st.sampled_from([(2.0, 6.0), (1.0, 3.0)]))
def test_parts_lie_on_half_seconds_inside_the_span_and_none_is_missing(start, length, limits):
    end = start + length
    starts, steps = half_second_parts(start, end, *limits)
    found = [(a * 0.5, (a + n) * 0.5) for a, n in zip(starts.tolist(), steps.tolist(), strict=True)]
    inside = [k * 0.5 for k in range(60) if start - 4e-7 <= k * 0.5 <= end + 4e-7]
    expected = [(a, b) for a, b in combinations(inside, 2) if limits[0] <= b - a <= limits[1] and b - a < length]
    assert set(expected) <= set(found)
    assert all(start - 1e-6 <= a and b <= end + 1e-6 and limits[0] <= b - a <= limits[1] for a, b in found)
    assert found == sorted(found)


def test_the_first_of_a_kind_is_found_and_open_verdicts_are_measured_only_on_the_way():
    measured = []

    def measure(k: int) -> int:
        measured.append(k)
        return {1: NONE, 3: 1, 6: 1}[k]

    verdicts = np.array([NONE, OPEN, 0, OPEN, 1, 0, OPEN])
    assert first_that(verdicts, [1], measure) == 3
    assert measured == [1, 3]
    assert first_that(verdicts, [0, 1], measure) == 2
    assert first_that(np.array([NONE, 0]), [1], measure) is None
    assert measured == [1, 3]
