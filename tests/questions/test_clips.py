"""Clips cut from hand-built recordings: lengths, marks, names, frames and the motion of their objects."""

from dataclasses import replace

import numpy as np
import pytest
from hand_built import PERSON, along, recording, straight, track
from hypothesis import given
from hypothesis import strategies as st

from st_vlm.kinematics.motion import Moving
from st_vlm.questions.clips import LENGTHS_S, cut_clips, overlap
from st_vlm.questions.turns import asked_hour, asked_runs
from st_vlm.recordings import Frames
from st_vlm.recordings.quality import assess
from st_vlm.video.sampling import sample_indices

CROSSING = straight(-12.0, 20.0, 1.2, 0.0)


def clips_of(*tracks, seed=0, **fields):
    made = recording(*tracks, **fields)
    return cut_clips(made, assess(made), np.random.default_rng(seed))[0]


def test_clips_have_the_lengths_of_the_definitions_and_start_on_half_seconds():
    clips = clips_of(track("a", CROSSING), track("b", straight(0, 15.0)))
    assert 4 <= len(clips) <= 8
    for clip in clips:
        assert clip.times_s[-1] in LENGTHS_S
        assert len(clip.frames) == 2 * clip.times_s[-1] + 1 <= 40
        assert clip.times_ns.tolist() == clip.recording.frames.times_ns[clip.frames].tolist()
    assert len({clip.times_s[-1] for clip in clips}) >= 4
    assert len({clip.id for clip in clips}) == len(clips)


def test_marks_are_coloured_in_order_and_every_mark_is_of_another_track():
    tracks = [track(f"t{k}", straight(-6.0 + 3 * k, 15.0 + k, 0.6, 0.0), size=(1.0, 1.0, 2.0)) for k in range(6)]
    clips = [clip for seed in range(5) for clip in clips_of(*tracks, seed=seed)]
    for clip in clips:
        colours = [marked.colour for marked in clip.objects]
        assert colours == ["red", "blue", "green", "yellow"][: len(colours)]
        assert len({marked.track.id for marked in clip.objects}) == len(colours)
    assert {len(clip.objects) for clip in clips} == {1, 2, 3, 4}
    # A colour says nothing about the track that wears it.
    assert len({clip.objects[0].track.id for clip in clips}) >= 4


def test_boxes_of_a_mark_have_one_entry_a_frame_and_none_where_it_is_hidden():
    wall = track("wall", straight(0, 10.0), [4.0, 4.01], size=(30.0, 0.1, 8.0), category="movable_object.barrier")
    clips = clips_of(track("a", straight(-4.0, 20.0, 0.5)), wall)
    assert clips
    for clip in clips:
        (marked,) = clip.objects
        assert marked.boxes.shape == (len(clip.frames), 4)
        hidden = np.isnan(marked.boxes[:, 0])
        assert hidden.tolist() == [k == 8 for k in clip.frames]


def test_what_is_in_the_dead_zone_and_what_nobody_asks_about_is_never_marked():
    creeping = track("creeping", straight(-5.0, 20.0, 0.08, 0.0))  # at most 1.6 m in 20 s
    cone = track("cone", straight(5.0, 20.0, 0.5, 0.0), category="movable_object.trafficcone", size=(1, 1, 2))
    walker = track("walker", straight(0.0, 18.0, 0.4, 0.0), category=PERSON, size=(0.7, 0.7, 1.8))
    for clip in (clip for seed in range(4) for clip in clips_of(creeping, cone, walker, seed=seed)):
        ids = {marked.track.id for marked in clip.objects}
        assert "cone" not in ids
        for marked in clip.objects:
            assert marked.motion.state is not Moving.UNDECIDED
            if marked.track.id == "creeping":
                # Standing as far as a shorter clip can tell.
                assert 0.08 * marked.motion.duration_s <= 0.75


def test_a_recording_without_askable_objects_or_shorter_than_a_clip_has_no_clip():
    assert clips_of(track("far", straight(0, 300.0))) == []
    assert clips_of(track("a", CROSSING), frames_s=np.arange(0, 2.6, 0.5)) == []
    assert clips_of() == []


def test_motion_is_measured_over_the_objects_own_span():
    """A quarter of the way it is behind a wall, then it turns left."""
    turning = track("a", along(2.0, (-10, 20), (0, 20), (0, 38)))
    wall = track(
        "wall", straight(0, 8.0), np.arange(0, 2.01, 0.5), size=(30, 0.1, 8), category="movable_object.barrier"
    )
    for clip in clips_of(turning, wall):
        (marked,) = clip.objects
        begin = (clip.start_ns - clip.recording.frames.times_ns[0]) * 1e-9
        start, end = begin + marked.span.start_s, begin + marked.span.end_s
        assert start >= 2.5 or marked.span.covers_clip
        assert marked.motion.duration_s == pytest.approx(end - start)
        assert marked.motion.path_m == pytest.approx(2.0 * (min(end, 14.0) - min(start, 14.0)), abs=1e-6)


def test_a_camera_that_skips_frames_has_no_clip_across_the_hole():
    seconds = np.array([t for t in np.arange(0, 20.01, 0.5) if t not in (10.0, 10.5)])
    clips = clips_of(track("a", CROSSING), frames_s=seconds)
    assert clips
    for clip in clips:
        absolute = (clip.times_ns - clip.recording.frames.times_ns[0]) * 1e-9
        assert absolute[-1] < 10 or absolute[0] > 10


def test_one_missing_frame_is_a_hole_too_whatever_the_jitter():
    rng = np.random.default_rng(3)
    for _ in range(5):
        seconds = np.array([t for t in np.arange(0, 20.01, 0.5) if t != 8.0]) + rng.uniform(0, 0.02, 40)
        for clip in clips_of(track("a", CROSSING), frames_s=seconds):
            assert np.diff(clip.times_s).max() < 0.6


@given(st.floats(0.03, 0.5), st.integers(0, 2**32 - 1))
def test_whoever_samples_a_clips_video_takes_all_of_its_frames(period, seed):
    rng = np.random.default_rng(seed)
    count = int(8 / period)
    seconds = np.arange(count) * period + rng.uniform(0, 0.15 * period, count)
    made = recording(track("a", straight(-3.0, 20.0, 0.6)), frames_s=seconds)
    for clip in cut_clips(made, assess(made), rng, most=3)[0]:
        assert sample_indices(clip.times_s).tolist() == list(range(len(clip.frames)))


def test_names_carry_the_recording_the_camera_and_tenths_of_seconds():
    for clip in clips_of(track("a", CROSSING), name="scene-7"):
        start = round((clip.start_ns - clip.recording.frames.times_ns[0]) * 1e-8)
        assert clip.id == f"handmade-scene-7-front-{start:03d}-{round(10 * clip.times_s[-1]):03d}"


def test_the_same_generator_cuts_the_same_clips():
    tracks = [track(f"t{k}", straight(-6.0 + 3 * k, 15.0 + k, 0.6, 0.0)) for k in range(4)]
    first, second = clips_of(*tracks, seed=5), clips_of(*tracks, seed=5)
    assert [(c.id, [(m.track.id, m.colour) for m in c.objects]) for c in first] == [
        (c.id, [(m.track.id, m.colour) for m in c.objects]) for c in second
    ]


def test_windows_that_show_an_object_again_overlap_little():
    clips = clips_of(track("a", CROSSING))
    spans = [(clip.times_ns[0], clip.times_ns[-1]) for clip in clips]
    pairs = [(a, b) for k, a in enumerate(spans) for b in spans[k + 1 :]]
    assert pairs
    assert max(overlap(a, b) for a, b in pairs) <= 0.3


def test_overlap_is_intersection_over_union():
    assert overlap((0, 4), (2, 6)) == pytest.approx(2 / 6)
    assert overlap((0, 4), (4, 6)) == 0
    assert overlap((0, 4), (5, 6)) == 0
    assert overlap((0, 10), (2, 4)) == pytest.approx(0.2)


def test_a_mark_does_not_go_over_to_another_object_under_the_same_identity():
    """At 10.25 s the identity jumps to an object 8 m away, in view as well."""
    swapped = track("a", lambda t: (-6 + 0.5 * t if t < 10.25 else 8 - 0.3 * t, 20.0 if t < 10.25 else 28.0))
    found = clips_of(swapped)
    assert found
    for clip in found:
        (marked,) = clip.objects
        seconds = (clip.times_ns - clip.recording.frames.times_ns[0]) * 1e-9
        drawn = seconds[np.isfinite(marked.boxes[:, 0])]
        assert (drawn < 10.25).all() or (drawn > 10.25).all()
        # In its own time it is drawn in every frame.
        side = seconds < 10.25 if drawn[0] < 10.25 else seconds > 10.25
        assert len(drawn) == side.sum()


def test_after_a_gap_the_same_object_is_marked_again():
    times = [*np.arange(0, 9.01, 0.5), *np.arange(11, 20.01, 0.5)]
    found = [clip for seed in range(4) for clip in clips_of(track("a", straight(-5, 20.0, 0.5), times), seed=seed)]
    across = [c for c in found if c.times_s[-1] >= 12]
    assert across
    for clip in across:
        (marked,) = clip.objects
        seconds = (clip.times_ns - clip.recording.frames.times_ns[0]) * 1e-9
        assert np.isfinite(marked.boxes[:, 0]).tolist() == [t <= 9 or t >= 11 for t in seconds.round(3)]


def test_no_window_is_taken_twice():
    tracks = [track(f"t{k}", straight(-6.0 + 3 * k, 15.0 + k, 0.6, 0.0), size=(1.0, 1.0, 2.0)) for k in range(6)]
    for seed in range(5):
        ids = [clip.id for clip in clips_of(*tracks, seed=seed)]
        assert len(set(ids)) == len(ids)


def test_whole_turns_and_spans_that_cover_the_clip_are_preferred():
    """One turns left at second 10; ten walk straight; all are in view all the time."""
    turning = track("turning", along(2.4, (-14, 20), (10, 20), (10, 44)))
    straight_on = [track(f"s{k}", straight(-12.0 + 2 * k, 22.0, 0.6), size=(1, 1, 2)) for k in range(10)]
    made = recording(turning, *straight_on)
    for seed in range(12):
        (first,), _ = cut_clips(made, assess(made), np.random.default_rng(seed), most=1)
        motions = [marked.motion for marked in first.objects]
        assert any(asked_hour(m) == 9 or {run.hour for run in asked_runs(m)} - {12} for m in motions)
    # In view from second 5 to second 12 alone: most clips end with it, and are asked about as wholes.
    passing = track("passing", straight(-9.0, 20.0, 1.0), np.arange(5, 12.01, 0.5))
    spans = [clip.objects[0].span for seed in range(6) for clip in clips_of(passing, seed=seed)]
    assert np.mean([span.covers_clip for span in spans]) > 0.5


def test_a_recording_without_images_is_cut_like_one_with_images():
    made = recording(track("a", CROSSING), track("b", straight(0, 15.0)))
    bare = replace(made, frames=Frames(made.frames.times_ns, None))
    cut = [cut_clips(one, assess(one), np.random.default_rng(3)) for one in (made, bare)]
    assert [c.id for c in cut[0][0]] == [c.id for c in cut[1][0]]
    assert cut[0][1] == cut[1][1]
