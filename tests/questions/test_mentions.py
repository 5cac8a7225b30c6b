"""Which frames a question asks about."""

import numpy as np
import pytest

from st_vlm.questions.mentions import asked_frames

TIMES = np.array([0.0, 0.5, 1.002, 1.5, 2.049, 2.5, 3.0, 3.5, 3.98])


@pytest.mark.parametrize(
    ("question", "first", "last"),
    [
        ("How far does red go from 1.0 to 2.0 seconds?", 2, 4),
        ("Between 0.5 s and 3 s, how far?", 1, 6),
        ("How far does it go from 2.5 to 4.0 seconds?", 5, 8),
        ("When does it move toward 3 o'clock from 1.0 to 2.5 seconds?", 2, 5),
        ("How far does it go throughout the video?", 0, 8),
        ("From 0 to 1 seconds and from 2 to 3 seconds, how far?", 0, 8),
        ("How far from 20 to 30 seconds?", 0, 8),
        ("How far from 2.1 to 2.4 seconds?", 0, 8),
        ("How long does it take to go 10 meters?", 0, 8),
        ("", 0, 8),
    ],
)
def test_the_frames_are_those_of_the_span_that_the_question_states(question, first, last):
    assert asked_frames(question, TIMES).tolist() == list(range(first, last + 1))
