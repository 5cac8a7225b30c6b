"""Free text to typed answers: what people and models write, and what must not be read into it."""

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from st_vlm.questions.forms import TASKS
from st_vlm.questions.parsing import parse_answer, parse_choice, parse_hour, parse_interval, parse_quantity


def distance(text):
    answer = parse_quantity(text, "m")
    return None if answer is None else answer.value


def speed(text):
    answer = parse_quantity(text, "km/h")
    return None if answer is None else answer.value


@pytest.mark.parametrize(
    ("text", "metres"),
    [
        ("The object travels 15.20 meters throughout the video.", 15.2),
        ("The distance is approximately 15 m.", 15),
        ("15", 15),
        ("The object moved a total of 15.", 15),
        ("15m", 15),
        ("“15 METRES”", 15),
        ("**15.2 m**", 15.2),
        ("15-meter path", 15),
        ("15.2 (meters)", 15.2),
        (r"$15.2\ \mathrm{m}$", 15.2),
        ("15\nm", 15),
        ("2 km", 2000),
        ("300 centimetres", 3),
        ("50 feet", 15.24),
        ("1 mile", 1609.34),
        ("10 yards", 9.14),
        ("1 m 50 cm", 1.5),
        ("ten m", 10),
        ("twenty-five meters", 25),
        ("one hundred and five meters", 105),
        ("three point five metres", 3.5),
        ("3 hundred meters", 300),
        ("1e3 m", 1000),
        (".5 m", 0.5),
        ("approx.15 m", 15),
    ],
)
def test_distances(text, metres):
    assert distance(text) == metres


@pytest.mark.parametrize(
    ("text", "metres"),
    [
        ("1,234.5 m", 1234.5),
        ("1.234,5 m", 1234.5),
        ("1,200 meters", 1200),
        ("15,2 m", 15.2),
        ("0,500 m", 0.5),
        ("1\u202f234 m", 1234),
        ("1 234 m", None),  # a thousand and more, or a stray 1 before 234?
        ("1.2.3 m", None),
        ("1/2 m", None),
        ("½ m", None),
        ("2*3 m = 6 m", 6),
    ],
)
def test_separators(text, metres):
    assert distance(text) == metres


@pytest.mark.parametrize(
    ("text", "metres"),
    [
        ("object 2 moved 15 m", 15),
        ("In 4 seconds object 2 covers 15 m", 15),
        ("15 m in 4 s at 3.75 m/s", 15),
        ("From 2.0 to 7.5 seconds, the object covers 15.00 m.", 15),
        ("First 5 m, then 10 m, so 15 m in total", 15),
        ("15.2 m (49.9 ft)", 15.2),
        ("The 4.5 m long car travels 20 m", 20),
        ("It drives 20 m and is 5 m away.", 20),
        ("The path is 15 m long", 15),
        ("15 m, not 20 m", 15),
        ("In 4 seconds it moves 15", None),
        ("10, 20, 30", None),
        ("object 2", None),
        ("It takes 15 seconds", None),
        ("15 frames", None),
        ("90°", None),
        ("Distance (in feet): 15", None),
        ("15 m²", None),
        ("3 m per frame", None),
    ],
)
def test_the_number_that_measures_the_path_wins(text, metres):
    assert distance(text) == metres


@pytest.mark.parametrize(
    ("text", "metres"),
    [
        ("10 to 15 m", 12.5),
        ("10-15 m", 12.5),
        ("10 m – 15 m", 12.5),
        ("between 10 and 15 meters", 12.5),
        ("ranges from 10 to 15 m", 12.5),
        ("moves from 10 m to 15 m", None),
        ("15 ± 2 m", 15),
        ("15 m ± 2 m", 15),
    ],
)
def test_ranges(text, metres):
    assert distance(text) == metres


@pytest.mark.parametrize("text", ["-5 m", "−5 m", "minus 5 m", "It moves -5 meters."])
def test_negative_distances_are_no_distances(text):
    assert distance(text) is None


@pytest.mark.parametrize("text", ["- 5 m", "Distance - 5 m", "Distance—5 m", "Distance: 5 m"])
def test_dashes_that_are_no_sign(text):
    assert distance(text) == 5


@pytest.mark.parametrize("text", ["drove at 36 km/h", "3 m/s", "3 m per second", "10 meters each second", "5 mph"])
def test_a_speed_is_no_distance(text):
    assert distance(text) is None


@pytest.mark.parametrize(
    ("text", "kmh"),
    [
        ("36 km/h", 36),
        ("36 kph", 36),
        ("36 km / hr", 36),
        ("36 kilometres per hour", 36),
        ("36 kilometers an hour", 36),
        ("10 m/s", 36),
        ("10 m per second", 36),
        ("10 meters/second", 36),
        ("10 metres each second", 36),
        ("10 mph", 16.09),
        ("10 miles per hour", 16.09),
        ("10 feet per second", 10.97),
        ("30-40 km/h", 35),
        ("15 m in 2 s, so 7.5 m/s or 27 km/h", 27),
        ("36", 36),
        ("The car is parked.", 0),
        ("moves 15 m", None),
        ("10 m/s^2", None),
        ("10 m/s²", None),
        ("10 meters per second squared", None),
        ("Speed (m/s): 10", None),
        ("36 km", None),
    ],
)
def test_speeds(text, kmh):
    assert speed(text) == kmh


@pytest.mark.parametrize(
    ("text", "metres"),
    [
        ("The object does not move.", 0),
        ("Object 2 doesn't move at all.", 0),
        ("It remains completely stationary throughout the video.", 0),
        ("Stationary.", 0),
        ("The object travels 0.00 meters.", 0),
        ("The object is not stationary.", None),
        ("It is stationary at first, then drives away.", None),
        ("The object does not move far.", None),
    ],
)
def test_standing_still_is_zero(text, metres):
    assert distance(text) == metres


@pytest.mark.parametrize("text", ["", " \n", "n/a", "I cannot determine the distance.", "Unable to say; box 2 moves."])
@pytest.mark.parametrize("task", TASKS)
def test_refusals_answer_no_task(task, text):
    assert parse_answer(task, text, "Do red and blue move in the same direction?") is None


def test_refusals_with_an_answer_after_all():
    assert distance("I cannot tell exactly, about 15 m") == 15
    assert distance("I don't know, maybe 15 m") == 15
    assert distance("I'm sorry, I cannot determine how far object 2 moved.") is None
    assert parse_interval("I cannot tell when it moves from 2 to 7 s") is None
    assert parse_choice("I cannot tell whether the red one is faster.", ("red", "blue")) is None
    assert parse_choice("I can't be certain, but the red one is faster.", ("red", "blue")).option == "red"


@pytest.mark.parametrize(
    ("text", "metres"),
    [
        ("5 m at first. Answer: 12 m. The car is 20 m ahead and covers 30 m? No.", 30),
        ("Step 1: 5 m.\nFinal answer: 12", 12),
        ("The final answer is **12 m**", 12),
        (r"Thus \boxed{12.5\text{ m}} and not 15 m", 12.5),
        ("<think>99 m</think><answer>12 m</answer> 15 m", 12),
        ("12 m is my answer.", 12),
        ("Answer: I cannot determine it.", None),
    ],
)
def test_what_follows_the_answer_marker_wins(text, metres):
    assert distance(text) == metres


def test_the_marker_serves_every_type():
    assert parse_hour("Not 9 o'clock... Answer: 3").hour == 3
    assert parse_choice("red? blue? Final answer: red", ("red", "blue")).option == "red"
    assert parse_interval("from 1 to 2 s or from 3 to 4 s. Answer: [5, 6]").end_s == 6


@pytest.mark.parametrize(
    ("text", "hour"),
    [
        ("3 o'clock", 3),
        ("3 o’clock", 3),
        ("Toward the 3-O'Clock direction", 3),
        ("three o'clock", 3),
        ("the twelve o'clock direction", 12),
        ("3:00", 3),
        ("3", 3),
        ("Three.", 3),
        ("It moves from 2.0 to 7.5 seconds toward 3 o'clock", 3),
        ("Object 2 moves toward 9 o'clock", 9),
        ("12 o'clock is straight ahead, so it moves toward 3 o'clock", 3),
        ("It moves toward 3 o'clock, where 12 o'clock is straight ahead", 3),
        ("It turns from 12 o'clock to 3 o'clock", 3),
        ("not 9 o'clock but 3 o'clock", 3),
        ("2 to 3 o'clock", None),
        ("2 o'clock or 3 o'clock", None),
        ("0 o'clock", None),
        ("13 o'clock", None),
        ("-3 o'clock", None),
        ("13", None),
        ("3.5", None),
        ("11:30", None),
        ("object 2", None),
        ("90 degrees", None),
        ("15 m", None),
    ],
)
def test_hours(text, hour):
    answer = parse_hour(text)
    assert (None if answer is None else answer.hour) == hour


@pytest.mark.parametrize(
    "text",
    [
        "from 2.0 to 7.5 seconds",
        "between 2 s and 7.5 s",
        "2.0-7.5 s",
        "2.0 – 7.5",
        "[2.0, 7.5]",
        "(2.0s,7.5s)",
        "0:02 to 0:07.5",
        "00:00:02 - 00:00:07.5",
        "toward 3 o'clock from 2.0 to 7.5 s",
        "From 2.0 until 7.5 seconds, the object heads toward three o'clock.",
        "It starts at 2.0 seconds and ends at 7.5 seconds.",
        "Start: 2.0 s, End: 7.5 s",
        "Start: 2.0\nEnd: 7.5",
        "from the 2 second mark to the 7.5 second mark",
        "from t=2.0s to t=7.5s",
        '{"start": 2.0, "end": 7.5}',
        "from 0 min 2 s to 0 min 7.5 s",
        "between the timestamps 2.0 and 7.5",
    ],
)
def test_intervals(text):
    answer = parse_interval(text)
    assert (answer.start_s, answer.end_s) == (2.0, 7.5)


@pytest.mark.parametrize(
    "text",
    [
        "7.5 to 2",
        "2.04 to 2.01",
        "From -2 to 5 s",
        "about 3 s",
        "It starts at 2.0 s and lasts for 5 s",
        "from 2 to 4 s and from 6 to 8 s",
        "from frame 2 to frame 7",
        "from 2 m to 7 m",
        "10 to 20 km/h",
        "from 3 o'clock to 5 o'clock",
        "1 2 3 4",
    ],
)
def test_no_interval(text):
    assert parse_interval(text) is None


def test_an_interval_that_repeats_the_question_is_not_the_answer():
    question = "From 1.0 to 9.0 seconds, when does the object move toward 3 o'clock?"
    text = "From 1.0 to 9.0 seconds, it moves toward 3 o'clock between 2.0 and 7.5 seconds."
    assert parse_interval(text, question).start_s == 2.0
    assert parse_interval(text) is None
    assert parse_interval("From 1.0 to 9.0 seconds.", question).start_s == 1.0


@pytest.mark.parametrize(
    ("text", "color"),
    [
        ("Red", "red"),
        ("**RED**!", "red"),
        ("I think it's the blue box", "blue"),
        ("The red object moves farther than the blue one.", "red"),
        ("The red object covers a greater distance compared to the object marked by the blue box", "red"),
        ("Compared with the red object, the blue one travels farther.", "blue"),
        ("Of the red and the blue object, the blue one travels farther.", "blue"),
        ("the red object, rather than the blue one", "red"),
        ("It is red, not blue.", "red"),
        ("the blue object does not travel as far as the red one", "red"),
        ("the blue object is slower than the red one", "red"),
        ("The red object is slower.", "blue"),
        ("Red is faster while blue is slower.", "red"),
        ("The red box marks a car. The blue one moves faster.", "blue"),
        ("The blue object moves faster because the red car is parked", "blue"),
        ("not red", "blue"),
        ("the red object is no faster than the blue one", "blue"),
        ("I would say red, since blue is slow", "red"),
        ("red or blue", None),
        ("Neither the red nor the blue", None),
        ("Both red and blue move the same distance", None),
        ("The red object travels as far as the blue one", None),
        ("The red one is not slower than the blue one.", None),
        ("Red travels 15 m while blue travels 10 m.", None),
        ("The red object is faster. The blue object is faster.", None),
        ("the green one", None),
        ("hundred", None),
        ("Yes", None),
        ("B", None),
    ],
)
def test_choices_of_color(text, color):
    question = "Which is faster, the object marked by the red box or the object marked by the blue box?"
    answer = parse_answer("traveling_speed_comparison", text, question)
    assert (None if answer is None else answer.option) == color


def test_not_red_settles_nothing_among_four():
    assert parse_answer("traveling_speed_comparison", "not red") is None
    assert parse_answer("traveling_speed_comparison", "green").option == "green"


DIFFERENT = "From 3.5 to 4.5 seconds, are these objects moving in different directions?"
SAME = "Do the red and the blue object move in the same direction?"
OPEN = "Do they move in the same direction or in different directions?"


@pytest.mark.parametrize(
    ("question", "text", "relation"),
    [
        (OPEN, "They move in the same direction", "same"),
        (OPEN, "They are not moving in the same direction.", "different"),
        (OPEN, "in different directions", "different"),
        (OPEN, "They don't move in the same direction but in different directions", "different"),
        (OPEN, "They aren't moving in different directions", "same"),
        (OPEN, "They have the same speed but move in opposite directions", "different"),
        (OPEN, "same or different", None),
        (OPEN, "Yes", None),
        (DIFFERENT, "Yes.", "different"),
        (DIFFERENT, "**No**, they are not.", "same"),
        (DIFFERENT, "Yes, they are moving in different directions", "different"),
        (DIFFERENT, "No, they move in the same direction", "same"),
        (DIFFERENT, "Yes, they move in the same direction", None),
        (DIFFERENT, "Nobody knows", None),
        (SAME, "yes", "same"),
        (SAME, "No.", "different"),
        (None, "Yes", None),
    ],
)
def test_same_or_different(question, text, relation):
    answer = parse_answer("moving_direction_comparison", text, question)
    assert (None if answer is None else answer.option) == relation


# Pieces that the parser's patterns are made of, so that random text reaches deep into them.
WORDS = (
    "1 2. ,5 -3 e9 m km/h s o'clock : 3:00 to and between from [ ) ( ] than not red blue same different yes no "
    "answer: \\boxed{ } <answer> </think> cannot determine about does move stationary one hundred point "
    "/ ² ½ ± * _ $ \n as far as slower 99999999999999999999999"
)
PIECES = st.lists(st.sampled_from(WORDS.split(" ")) | st.text(max_size=4), max_size=25).flatmap(
    lambda parts: st.sampled_from(["", " "]).map(lambda glue: glue.join(parts))
)


@given(PIECES | st.text(), PIECES)
@example("9" * 5000 + " m", "")
@example("1e999 m", "")
@example("٣ o'clock", "")
def test_no_text_raises(text, question):
    for task in TASKS:
        answer = parse_answer(task, text, question)
        assert answer is None or isinstance(answer, TASKS[task].answer)


@pytest.mark.parametrize(
    "garbage", ["1 ", "1,", "a", "(", "red than ", "not ", "cannot ", "1.0 to ", "\\boxed{", "answer to ", "one ", "̖́"]
)
def test_long_garbage_takes_no_time(garbage):
    started = time.perf_counter()
    for task in TASKS:
        parse_answer(task, garbage * 50_000, DIFFERENT)
    assert time.perf_counter() - started < 2.0


def test_an_answer_at_the_end_of_a_long_text_is_read():
    assert distance("The object moves on. " * 5000 + "Final answer: 15 m") == 15
