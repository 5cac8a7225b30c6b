"""Free text to accelerations, durations, counts and positions: what is read, and what must not be read into it."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from st_vlm.questions.answers import Count, Position, Quantity
from st_vlm.questions.forms import FURTHER_TASKS
from st_vlm.questions.parsing import parse_answer, parse_count, parse_position, parse_quantity


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("-2.1 m/s^2", -2.1),
        ("2.1 m/s²", 2.1),
        ("The acceleration is −1.5 m/s².", -1.5),
        (r"$-2.1\,\mathrm{m/s^2}$", -2.1),
        ("2 meters per second squared", 2),
        ("2 meters per second per second", 2),
        ("2 m/s/s", 2),
        ("2 m·s⁻²", 2),
        ("2 ms^-2", 2),
        ("7.2 km/h/s", 2),
        ("It gains 7.2 km/h per second.", 2),
        ("3 ft/s²", 0.91),
        ("0.2 g", 1.96),
        ("acceleration (m/s^2): -2.1", -2.1),
        ("-2.1", -2.1),
        ("between 2 m/s^2 and 3 m/s^2", 2.5),
        ("a rate of two meters per second squared", 2),
        ("It keeps a constant speed.", 0),
    ],
)
def test_accelerations(text, value):
    assert parse_quantity(text, "m/s^2") == Quantity(value, "m/s^2")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("brakes at 2.1 m/s²", -2.1),
        ("It decelerates by 7.2 km/h per second.", -2),
        ("The deceleration is 2 m/s^2", -2),
        ("It slows down at 2 m/s^2", -2),
        ("The object brakes. The rate is 2.1 m/s^2.", -2.1),
        ("It brakes at -2 m/s^2", -2),
        ("It does not brake but accelerates at 2 m/s^2", 2),
        ("speeds up at 2 m/s^2", 2),
        ("The car slows from 12 m/s to 6 m/s over 3 s, so it brakes at 2 m/s^2.", -2),
    ],
)
def test_braking_is_negative(text, value):
    assert parse_quantity(text, "m/s^2") == Quantity(value, "m/s^2")


@pytest.mark.parametrize(
    "text",
    [
        "2.1 m/s",
        "It goes from 10 m/s to 4 m/s in 3 s.",
        "10 km/h",
        "from 2 to -3 m/s^2",
        "It brakes and accelerates at 2 m/s^2.",
        "I cannot determine the acceleration.",
        "It brakes.",
        "",
    ],
)
def test_what_is_no_acceleration(text):
    assert parse_quantity(text, "m/s^2") is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("3.2 s", 3.2),
        ("after 3.2 seconds", 3.2),
        ("It needs 3.20 seconds to travel 10 meters.", 3.2),
        ("1 min 5 s", 65),
        ("0:05", 5),
        ("about 2 minutes", 120),
        ("three seconds", 3),
        ("3.2", 3.2),
        ("3 to 4 s", 3.5),
        ("At 5.2 seconds, that is 3.2 seconds after the start", 3.2),
        ("From 2.0 to 7.5 seconds, it has covered 10 m after 3.2 s.", 3.2),
        ("3.2 s, between 2.0 and 7.5 seconds", 3.2),
        ("10 meters", None),
        ("It does not move.", None),
        ("10 m at 3 m/s", None),
        ("I cannot tell when.", None),
    ],
)
def test_durations(text, seconds):
    answer = parse_answer("time_to_distance", text, "From 2.0 to 7.5 seconds, how long does it take?")
    assert answer == (None if seconds is None else Quantity(seconds, "s"))


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("two turns", 2),
        ("It turns twice.", 2),
        ("no turns", 0),
        ("It does not turn.", 0),
        ("It never turns", 0),
        ("It goes straight throughout the video.", 0),
        ("once", 1),
        ("3", 3),
        ("Two.", 2),
        ("zero", 0),
        ("It turns three times.", 3),
        ("a single turn", 1),
        ("a U-turn", 1),
        ("It makes a left turn.", 1),
        ("It turns left once.", 1),
        ("The number of turns is 2.", 2),
        ("From 2.0 to 7.5 seconds, the number of turns of the object is 2.", 2),
        ("In total 3.", 3),
        ("one left turn and one right turn", 2),
        ("It turns once to the left and once to the right.", 2),
        ("It makes 2 turns: one left turn and one right turn.", 2),
        ("two left turns and one right turn, altogether three turns", 3),
        ("two turns, at 2.5 s and 4 s", 2),
        ("2.5 turns", None),
        ("2 or 3 turns", None),
        ("one or two turns", None),
        ("it turns by 90 degrees", None),
        ("The first turn is to the left, the second to the right.", None),
        ("two turns. Or rather three turns.", None),
        ("object 2", None),
        ("I cannot tell", None),
        ("", None),
    ],
)
def test_counts(text, number):
    assert parse_count(text) == (None if number is None else Count(number))


@pytest.mark.parametrize(
    ("text", "metres"),
    [
        ("(1.20, 0.30, 12.50)", (1.2, 0.3, 12.5)),
        ("[1.2,0.3,12.5]", (1.2, 0.3, 12.5)),
        (r"\boxed{(1.2, 0.3, 12.5)}", (1.2, 0.3, 12.5)),
        ("At 3.5 seconds, the object is at (−1.20, 0.30, 12.50).", (-1.2, 0.3, 12.5)),
        ("**Position:** (1, 2, 3) meters", (1, 2, 3)),
        ("(120 cm, 30 cm, 1250 cm)", (1.2, 0.3, 12.5)),
        ("1.2, 0.3, 12.5", (1.2, 0.3, 12.5)),
        ("x = -1.2, y = 0.3, z = 12.5", (-1.2, 0.3, 12.5)),
        ("x: 1.2 m, y: -0.3 m, z: 12.5 m", (1.2, -0.3, 12.5)),
        ("z=12.5, x=1.2, y=0.3", (1.2, 0.3, 12.5)),
        ("1.2 m to the right, 0.3 m down, 12.5 m ahead", (1.2, 0.3, 12.5)),
        ("1.2 m to the left, 0.3 m up and 12.5 m behind", (-1.2, -0.3, -12.5)),
        ("12.5 meters in front of the camera, 0.3 meters below it and 1.2 meters to its right", (1.2, 0.3, 12.5)),
        ("At the start (0, 0, 5), then at (1, 2, 3).", (1, 2, 3)),
        ("12.5 m ahead and 1.2 m to the right", None),
        ("-1.2 m to the left, 0.3 m up, 2 m ahead", None),
        ("(1.2, 12.5)", None),
        ("(1,20; 0,30; 12,50)", None),
        ("x = 1, y = 2", None),
        ("It is far away.", None),
        ("I cannot tell where it is.", None),
    ],
)
def test_positions(text, metres):
    assert parse_position(text) == (None if metres is None else Position(metres))


def test_standing_says_nothing_about_a_distance_between_two():
    assert parse_answer("closest_approach", "The red one does not move.") is None
    assert parse_answer("closest_approach", "They are 4 m apart.") == Quantity(4, "m")
    assert parse_answer("camera_travel", "The camera does not move.") == Quantity(0, "m")


WORDS = (
    "1 2. ,5 -3 m/s^2 m/s² ² ^ per second squared s brakes accelerates not turns twice once no left right total "
    "( , ) [ ] x = y z m to the ahead down between and answer: cannot tell"
)
PIECES = st.lists(st.sampled_from(WORDS.split(" ")) | st.text(max_size=4), max_size=25).flatmap(
    lambda parts: st.sampled_from(["", " "]).map(lambda glue: glue.join(parts))
)


@given(PIECES | st.text(), PIECES)
def test_no_text_raises(text, question):
    for task, form in FURTHER_TASKS.items():
        answer = parse_answer(task, text, question)
        assert answer is None or isinstance(answer, form.answer)


@pytest.mark.parametrize(
    "garbage", ["1 ", "1,", "(1, ", "x 1 ", "one ", "two turns ", "not ", "1 m/s^2 ", "left ", "to "]
)
def test_long_garbage_takes_no_time(garbage):
    started = time.perf_counter()
    for task in FURTHER_TASKS:
        parse_answer(task, garbage * 50_000)
    assert time.perf_counter() - started < 3.0
