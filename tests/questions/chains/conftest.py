"""Reasoning questions about simulated scenes."""

from collections import Counter

import pytest

from st_vlm.building.shard import interview
from st_vlm.questions.forms import REASONING_TASKS, from_target
from st_vlm.questions.rows import worded
from st_vlm.recordings import open_recordings


@pytest.fixture(scope="package")
def made():
    """(recording, row) of all reasoning questions on some simulated scenes."""
    source = open_recordings("simulated", None, seed=3, num_recordings=20)
    found = []
    for name in source.recording_ids():
        filmed = source.read(name, "camera", images=False)
        found += [(filmed, row) for row in interview(filmed, 3, tuple(REASONING_TASKS)).rows()]
    counts = Counter(row["task"] for _, row in found)
    assert set(counts) == set(REASONING_TASKS)
    assert min(counts.values()) >= 20, counts
    return found


@pytest.fixture(scope="package")
def all_texts(made):
    """(recording, row, question, answer) in several wordings, held out or not."""
    found = []
    for at, (filmed, row) in enumerate(made):
        truth = from_target(row["task"], row["target"])
        colours = [mark["color"] for mark in row["marks"]]
        for held_out in (False, True):
            words = worded(
                row["id"], row["task"], truth, row["asked"], row["span"], colours, at, held_out, row["reasoning"]
            )
            found.append((filmed, row, words["question"], words["answer"]))
    return found
