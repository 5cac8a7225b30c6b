"""Phrasings: what is written is what is read back, for every wording; and files that are refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from st_vlm.errors import InputError
from st_vlm.questions.answers import TASKS, Choice, ClockHour, Interval, Quantity
from st_vlm.questions.parsing import parse_answer
from st_vlm.questions.phrasing import (
    CLOCK_CONVENTION,
    Phrase,
    load_phrasings,
    parse_phrasings,
    phrase_fields,
    render_answer,
    render_question,
)
from st_vlm.video.marks import COLOURS

INTERVALS = st.tuples(st.integers(0, 190), st.integers(1, 190)).map(lambda t: Interval(t[0] / 10, (t[0] + t[1]) / 10))
HOURS = st.integers(1, 12)


@st.composite
def asked(draw, task):
    """Fields of a question and a true answer to it."""
    form = TASKS[task]
    colors = draw(st.permutations(COLOURS).map(lambda order: order[: form.marks]))
    if form.marks == 1:
        colors = draw(st.sampled_from([[None], colors]))
    hour = draw(HOURS) if task == "direction_timestamp" else None
    fields = phrase_fields(task, colors, draw(st.none() | INTERVALS), hour)
    if form.answer is Quantity:
        value = draw(st.sampled_from([0.0, 0.01, 1000.0, 1234.5]) | st.floats(0, 500))
        return fields, Quantity(value, form.unit)
    if form.answer is ClockHour:
        return fields, ClockHour(draw(HOURS))
    if form.answer is Interval:
        return fields, draw(INTERVALS)
    options = form.options if form.options == ("same", "different") else colors
    return fields, Choice(draw(st.sampled_from(options)))


@pytest.mark.parametrize("task", TASKS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_every_wording_reads_back(task, data):
    phrasings = load_phrasings(task)
    fields, answer = data.draw(asked(task))
    for answered in phrasings.answers:
        text = render_answer(answered, answer, fields)
        for question in phrasings.questions:
            assert parse_answer(task, text, render_question(question, fields)) == answer, text


@pytest.mark.parametrize("task", TASKS)
def test_enough_wordings_with_clean_sentences(task):
    phrasings = load_phrasings(task)
    assert len(phrasings.questions) >= 6
    assert len(phrasings.answers) >= 4
    for kind in (phrasings.questions, phrasings.answers):
        assert len({phrase.id for phrase in kind}) == len({phrase.text for phrase in kind}) == len(kind)
        for phrase in kind:
            assert phrase.task == task
            assert phrase.text.strip() == phrase.text
            assert phrase.text[-1] in ".?"
            assert phrase.text[0].isupper() or phrase.text[0] == "{"


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("span", [None, Interval(2.0, 7.5)])
def test_sentences_begin_with_a_capital(task, span):
    colors = ["red", "blue"][: TASKS[task].marks]
    fields = phrase_fields(task, colors, span, 3 if task == "direction_timestamp" else None)
    for phrase in load_phrasings(task).questions:
        text = render_question(phrase, fields)
        assert text[0].isupper()
        assert ("2.0 to 7.5" in text) == (span is not None)
        assert all(f"the {color} box" in text for color in colors)


# The exact prompt of one wording a task: a change here changes what models are asked, and must be meant.
SNAPSHOTS = {
    "traveled_distance": "How far does the object marked by the red box travel from 2.0 to 7.5 seconds?",
    "traveling_speed": "What is the average speed of the object marked by the red box from 2.0 to 7.5 seconds?",
    "moving_direction": (
        "In which clock direction does the object marked by the red box go during its last movement from 2.0 to 7.5 "
        "seconds? 12 o'clock is the way the marked object itself first moved, seen from above; 3 o'clock is its "
        "right. It is not the camera's view."
    ),
    "direction_timestamp": (
        "When does the object marked by the red box move toward 9 o'clock from 2.0 to 7.5 seconds? 12 o'clock is the "
        "way the marked object itself first moved, seen from above; 3 o'clock is its right. It is not the camera's "
        "view."
    ),
    "traveled_distance_comparison": (
        "Which travels farther from 2.0 to 7.5 seconds, the object marked by the red box or the object marked by the "
        "blue box?"
    ),
    "traveling_speed_comparison": (
        "Which is faster on average from 2.0 to 7.5 seconds, the object marked by the red box or the object marked by "
        "the blue box?"
    ),
    "moving_direction_comparison": (
        "From 2.0 to 7.5 seconds, do the object marked by the red box and the object marked by the blue box move in "
        "the same direction or in different directions?"
    ),
}


@pytest.mark.parametrize("task", TASKS)
def test_question_snapshots(task):
    hour = 9 if task == "direction_timestamp" else None
    fields = phrase_fields(task, ["red", "blue"][: TASKS[task].marks], Interval(2.0, 7.5), hour)
    assert render_question(load_phrasings(task).questions[0], fields) == SNAPSHOTS[task]


def test_the_only_marked_object_over_the_whole_clip():
    fields = phrase_fields("traveled_distance", [None])
    question, answer = load_phrasings("traveled_distance").questions[0], load_phrasings("traveled_distance").answers[0]
    assert render_question(question, fields) == "How far does the object travel throughout the video?"
    assert (
        render_answer(answer, Quantity(15.2, "m"), fields) == "The object travels 15.20 meters throughout the video."
    )


def test_every_direction_question_explains_the_clock():
    for task in TASKS:
        hour = 9 if task == "direction_timestamp" else None
        fields = phrase_fields(task, ["red", "blue"][: TASKS[task].marks], None, hour)
        for phrase in load_phrasings(task).questions:
            explains = render_question(phrase, fields).endswith(CLOCK_CONVENTION)
            assert explains == (task in ("moving_direction", "direction_timestamp"))


def test_direction_comparisons_ask_both_ways():
    texts = [phrase.text for phrase in load_phrasings("moving_direction_comparison").questions]
    both = [text for text in texts if "same" in text.lower() and "different" in text.lower()]
    assert 0 < len(both) < len(texts)
    assert all("same" in text or "different" in text for text in texts)
    for text in set(texts) - set(both):
        question = text.format(first="red", second="blue", First="Red", when="", When="")
        option, other = ("same", "different") if "same" in text else ("different", "same")
        assert parse_answer("moving_direction_comparison", "Yes.", question) == Choice(option)
        assert parse_answer("moving_direction_comparison", "No.", question) == Choice(other)


GOOD = 'questions:\n  q1: "How far does {object} go {when}?"\nanswers:\n  a1: "{value} meters."\n'


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("{when}", "{span}", r"file.yaml, line 2 \(q1\): unknown placeholder \{span\}"),
        ("{when}", "{hour}", "unknown placeholder"),
        ("{when}", "{value}", "unknown placeholder"),
        ("{when}", "", r"line 2 \(q1\): the placeholder \{when\} is missing"),
        ("{value}", "15", r"line 4 \(a1\): the placeholder \{value\} is missing"),
        ("{value}", "{value} to {hour}", "unknown placeholder"),
        ("{value}", "{value", "line 4"),
        ("{value}", "{}", "unknown placeholder"),
        ('"{value} meters."', "[1, 2]", "line 4 .*line of text"),
        ('"{value} meters."\n', '"{value} meters."\n  a1: "{value} m."\n', r"line 5 \(a1\).*twice"),
        ('"{value} meters."\n', '"{value} meters."\n  a2: "{value} meters."\n', r"line 5 \(a2\).*twice"),
        ("answers:", "replies:", "questions and answers"),
        ("questions:", "questions: [", "not YAML"),
    ],
)
def test_bad_phrasing_files_are_refused(old, new, says):
    assert parse_phrasings("traveled_distance", GOOD, "file.yaml").answers[0] == Phrase(
        "traveled_distance/a1", "{value} meters."
    )
    with pytest.raises(InputError, match=says) as refused:
        parse_phrasings("traveled_distance", GOOD.replace(old, new), "file.yaml")
    assert "file.yaml" in str(refused.value)


def test_wrong_fields_are_refused():
    with pytest.raises(InputError, match="1 marked object"):
        phrase_fields("traveled_distance", ["red", "blue"])
    with pytest.raises(InputError, match="hour"):
        phrase_fields("direction_timestamp", ["red"])
    with pytest.raises(InputError, match="hour"):
        phrase_fields("moving_direction", ["red"], None, 3)
    fields = phrase_fields("traveled_distance_comparison", ["red", "blue"])
    with pytest.raises(InputError, match="green"):
        render_answer(load_phrasings("traveled_distance_comparison").answers[0], Choice("green"), fields)
