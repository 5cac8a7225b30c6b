"""Phrasings: what is written is what is read back, for every wording, held out or not."""

import os
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from st_vlm.errors import InputError
from st_vlm.questions.answers import SIGNED_UNITS, Choice, ClockHour, Count, Interval, Position, Quantity
from st_vlm.questions.forms import FURTHER_TASKS, TASKS
from st_vlm.questions.parsing import parse_answer
from st_vlm.questions.phrasing import (
    CLOCK_CONVENTION,
    CONVENTIONS,
    Phrase,
    Phrasings,
    phrase_fields,
    render_answer,
    render_question,
)
from st_vlm.questions.phrasing_files import load_phrasings
from st_vlm.video.marks import COLOURS

PROMPTS = Path(__file__).parent / "snapshots" / "prompts.txt"
RENEW = "ST_VLM_RENEW_SNAPSHOTS"
# Reasoning tasks have wordings of their own kind.
WORDED = {**TASKS, **FURTHER_TASKS}
INTERVALS = st.tuples(st.integers(0, 190), st.integers(1, 190)).map(lambda t: Interval(t[0] / 10, (t[0] + t[1]) / 10))
HOURS = st.integers(1, 12)


METRES = st.one_of(st.integers(-30_000, 30_000).map(lambda hundredths: hundredths / 100), st.just(0.0))


def stated(task, hour=9, metres=20.0, second=3.5):
    """What a task's questions state, of these."""
    hour = hour if task == "direction_timestamp" else None
    states = WORDED[task].states
    return {
        "hour": hour,
        "metres": metres if "metres" in states else None,
        "second": second if "second" in states else None,
    }


def all_questions(task):
    """Ordinary and held out."""
    return load_phrasings(task).questions + load_phrasings(task).held_out_questions


@st.composite
def asked(draw, task):
    """Fields of a question and a true answer to it."""
    form = WORDED[task]
    colors = draw(st.permutations(COLOURS).map(lambda order: order[: form.marks]))
    if form.marks == 1:
        colors = draw(st.sampled_from([[None], colors]))
    said = stated(task, draw(HOURS), draw(st.integers(1, 500)), draw(st.integers(1, 195)) / 10)
    fields = phrase_fields(task, colors, draw(st.none() | INTERVALS), **said)
    if form.answer is Count:
        return fields, Count(draw(st.integers(0, 12)))
    if form.answer is Position:
        return fields, Position(draw(st.tuples(METRES, METRES, METRES)))
    if form.unit in SIGNED_UNITS:
        return fields, Quantity(draw(st.floats(-20, 20)), form.unit)
    if form.answer is Quantity:
        value = draw(st.sampled_from([0.0, 0.01, 1000.0, 1234.5]) | st.floats(0, 500))
        return fields, Quantity(value, form.unit)
    if form.answer is ClockHour:
        return fields, ClockHour(draw(HOURS))
    if form.answer is Interval:
        return fields, draw(INTERVALS)
    options = form.options if form.options == ("same", "different") else colors
    return fields, Choice(draw(st.sampled_from(options)))


@pytest.mark.parametrize("task", WORDED)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_every_wording_reads_back(task, data):
    phrasings = load_phrasings(task)
    fields, answer = data.draw(asked(task))
    questions = [render_question(question, fields) for question in all_questions(task)]
    if isinstance(answer, Quantity | ClockHour):
        questions = questions[:1]  # these are read without the question
    for answered in phrasings.answers + phrasings.held_out_answers:
        text = render_answer(answered, answer, fields)
        for question in questions:
            assert parse_answer(task, text, question) == answer, (text, question)


@pytest.mark.parametrize("task", ["traveled_distance", "traveling_speed"])
def test_zero_reads_back_in_every_wording(task):
    zero = Quantity(0.0, WORDED[task].unit)
    for span in (None, Interval(2.0, 7.5)):
        for color in (None, *COLOURS):
            fields = phrase_fields(task, [color], span)
            for answered in load_phrasings(task).answers + load_phrasings(task).held_out_answers:
                text = render_answer(answered, zero, fields)
                assert "0.00 " in text
                assert parse_answer(task, text) == zero, text


@pytest.mark.parametrize("task", WORDED)
def test_enough_wordings_with_clean_sentences(task):
    phrasings = load_phrasings(task)
    assert (len(phrasings.questions), len(phrasings.held_out_questions)) == (13, 7)
    assert (len(phrasings.answers), len(phrasings.held_out_answers)) == (7, 3)
    answers = phrasings.answers + phrasings.held_out_answers
    for kind, letter in ((all_questions(task), "q"), (answers, "a")):
        assert [phrase.id for phrase in kind] == [f"{task}/{letter}{n:02d}" for n in range(1, len(kind) + 1)]
        assert len({frozenset(phrase.text.casefold().split()) for phrase in kind}) == len(kind)
        for phrase in kind:
            assert phrase.task == task
            assert phrase.text.strip() == phrase.text
            assert phrase.text[-1] in ".?"
            # An answer may begin with a number, a bracket or a coordinate's name.
            assert phrase.text[0].isupper() or phrase.text[0] in "{(" or phrase.text.startswith("x: ")


@pytest.mark.parametrize("task", WORDED)
@pytest.mark.parametrize("span", [None, Interval(2.0, 7.5)])
def test_sentences_begin_with_a_capital(task, span):
    colors = ["red", "blue"][: WORDED[task].marks]
    fields = phrase_fields(task, colors, span, **stated(task))
    for phrase in all_questions(task):
        text = render_question(phrase, fields)
        assert all(
            sentence[0].isupper()
            for sentence in text.removesuffix(f" {CONVENTIONS.get(task)}").replace("? ", ". ").split(". ")
            if sentence[0].isalpha()
        )
        assert ("2.0 to 7.5" in text) == (span is not None and task != "object_position")
        assert all(f"the {color} box" in text for color in colors)


def prompts():
    """Every question of every task, filled in one fixed way, a line each."""
    for task in WORDED:
        fields = phrase_fields(task, ["red", "blue"][: WORDED[task].marks], Interval(2.0, 7.5), **stated(task))
        for phrase in all_questions(task):
            yield f"{phrase.id}: {render_question(phrase, fields)}\n"


def test_prompts_are_those_of_the_snapshot():
    """What models are asked: a change is seen in review. A meant one is written by

    ST_VLM_RENEW_SNAPSHOTS=1 pytest tests/questions/test_phrasing.py
    """
    if os.environ.get(RENEW):
        PROMPTS.write_text("".join(prompts()), encoding="utf-8")
    renew = f"{RENEW}=1 pytest tests/questions/test_phrasing.py"
    assert list(prompts()) == PROMPTS.read_text(encoding="utf-8").splitlines(keepends=True), (
        f"The prompts changed. If that is meant, run {renew} and commit {PROMPTS.name}."
    )


def test_the_only_marked_object_over_the_whole_clip():
    fields = phrase_fields("traveled_distance", [None])
    question, answer = load_phrasings("traveled_distance").questions[0], load_phrasings("traveled_distance").answers[0]
    assert render_question(question, fields) == "How far does the object travel throughout the video?"
    assert (
        render_answer(answer, Quantity(15.2, "m"), fields) == "The object travels 15.20 meters throughout the video."
    )


def test_every_direction_question_explains_the_clock():
    for task in WORDED:
        fields = phrase_fields(task, ["red", "blue"][: WORDED[task].marks], None, **stated(task))
        for phrase in all_questions(task):
            explains = render_question(phrase, fields).endswith(CLOCK_CONVENTION)
            assert explains == (task in ("moving_direction", "direction_timestamp"))


@pytest.mark.parametrize(
    ("task", "says"),
    [
        ("peak_speed", "single second"),
        ("acceleration", "braking is negative"),
        ("number_of_turns", "45 degrees"),
        ("closest_approach", "between the objects' centers"),
        ("time_to_distance", "from the start of the video, or of the given interval"),
        ("camera_travel", "horizontal path"),
        ("object_position", "x to its right, y down, z forward"),
    ],
)
def test_every_question_beyond_the_seven_ends_with_what_is_measured(task, says):
    fields = phrase_fields(task, ["red", "blue"][: WORDED[task].marks], None, **stated(task))
    assert says in CONVENTIONS[task]
    assert all(render_question(phrase, fields).endswith(f" {CONVENTIONS[task]}") for phrase in all_questions(task))


def test_what_a_question_states_is_in_its_words():
    for task in ("time_to_distance", "object_position"):
        fields = phrase_fields(task, ["red"], None, **stated(task, metres=15.0, second=4.5))
        wanted = "15 meters" if task == "time_to_distance" else "4.5 seconds"
        assert all(wanted in render_question(phrase, fields) for phrase in all_questions(task))


def test_direction_comparisons_ask_both_ways():
    texts = [phrase.text for phrase in all_questions("moving_direction_comparison")]
    both = [text for text in texts if "same" in text.lower() and "differ" in text.lower()]
    assert 0 < len(both) < len(texts)
    assert all("same" in text or "differ" in text for text in texts)
    for text in set(texts) - set(both):
        question = text.format(first="red", second="blue", First="Red", when="", When="")
        option, other = ("same", "different") if "same" in text else ("different", "same")
        assert parse_answer("moving_direction_comparison", "Yes.", question) == Choice(option)
        assert parse_answer("moving_direction_comparison", "No.", question) == Choice(other)


@pytest.mark.parametrize("task", WORDED)
def test_held_out_wordings_are_drawn_only_when_asked_for(task):
    phrasings, rng = load_phrasings(task), random.Random(0)
    for held_out, questions, answers in (
        (False, phrasings.questions, phrasings.answers),
        (True, phrasings.held_out_questions, phrasings.held_out_answers),
    ):
        drawn = [phrasings.pick(rng, held_out=held_out) for _ in range(500)]
        assert {question for question, _ in drawn} == set(questions)
        assert {answer for _, answer in drawn} == set(answers)
    assert not set(phrasings.questions) & set(phrasings.held_out_questions)
    assert not set(phrasings.answers) & set(phrasings.held_out_answers)


def test_an_ordinary_draw_is_the_default():
    phrasings = Phrasings(*((Phrase(f"traveled_distance/{name}", ""),) for name in ("q1", "a1", "q2", "a2")))
    assert [phrase.id[-2:] for phrase in phrasings.pick(random.Random(0))] == ["q1", "a1"]


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
