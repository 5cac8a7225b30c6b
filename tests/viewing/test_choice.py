"""Which clips are shown."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from st_vlm.viewing.choice import choose
from st_vlm.viewing.folder import ClipEntry

TASKS = ("a", "b", "c")
ENTRIES = st.lists(
    st.builds(
        ClipEntry,
        st.sampled_from(["train", "test"]),
        st.sampled_from(["r1", "r2", "r3"]),
        st.uuids().map(str),
        st.lists(st.sampled_from(TASKS), max_size=3).map(tuple),
    ),
    max_size=30,
)


@given(ENTRIES, st.integers(1, 30))
def test_as_many_as_wanted_in_their_order_and_always_the_same(entries, most):
    chosen = choose(entries, most)
    assert len(chosen) == min(most, len(entries))
    assert chosen == choose(entries, most)
    assert sorted(chosen, key=entries.index) == chosen
    assert len(set(chosen)) == len(chosen)


@given(ENTRIES, st.integers(1, 30))
def test_no_recording_is_shown_twice_more_than_another_that_has_more(entries, most):
    shown = Counter((one.split, one.recording) for one in choose(entries, most))
    there = Counter((one.split, one.recording) for one in entries)
    for split in ("train", "test"):
        names = [key for key in there if key[0] == split]
        for one in names:
            for other in names:
                assert shown[one] <= shown[other] + 1 or shown[other] == there[other]


def test_rare_tasks_are_shown_early():
    entries = [ClipEntry("train", "r", f"{k:02d}", ("rare",) if k == 17 else ("common",)) for k in range(20)]
    assert "17" in [one.clip_id for one in choose(entries, 2)]
