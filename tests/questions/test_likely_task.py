"""Answers read without a task: the package's own wordings are the truth, and what cannot be told is None."""

import pytest

from st_vlm.questions.answers import Choice, ClockHour, Count, Interval, Position, Quantity
from st_vlm.questions.forms import FURTHER_TASKS, REASONING_TASKS, TASKS, task_form
from st_vlm.questions.likely_task import YES_NO_TASK, likely_task, parse_any
from st_vlm.questions.phrasing import phrase_fields, render_answer, render_question
from st_vlm.questions.phrasing_files import load_phrasings

WORDED = {**TASKS, **FURTHER_TASKS}
SPANS = (None, Interval(2, 7.5))
STATED = {"hour": 9, "metres": 20.0, "second": 3.5}


def an_answer(form):
    if form.answer is Quantity:
        return Quantity(-2.5 if form.unit == "m/s^2" else 12.34, form.unit)
    if form.answer is Choice:
        return Choice("same" if "same" in form.options else "blue")
    return {
        Count: Count(2),
        Position: Position((1, -0.3, 12)),
        ClockHour: ClockHour(4),
        Interval: Interval(3, 5.5),
    }[form.answer]


@pytest.mark.parametrize("task", WORDED)
def test_every_wording_is_read_without_its_task(task):
    form, phrasings = WORDED[task], load_phrasings(task)
    answer = an_answer(form)
    said = {name: STATED[name] for name in form.states}
    questions = phrasings.questions + phrasings.held_out_questions
    answers = phrasings.answers + phrasings.held_out_answers
    for colors in {0: [()], 1: [(None,), ("green",)], 2: [("red", "blue")]}[form.marks]:
        for span in SPANS:
            fields = phrase_fields(task, colors, span, **said)
            for i, question in enumerate(questions):
                # A wording of the answer for each of the question: each is met with several.
                for answered in (answers[i % len(answers)], answers[(3 * i + 1) % len(answers)]):
                    asked, text = render_question(question, fields), render_answer(answered, answer, fields)
                    read = parse_any(text, asked)
                    assert read == answer, (asked, text)


FILLED = {
    "{first_team}": "home",
    "{second_team}": "away",
    "{when}": "from 2.0 to 7.5 seconds",
    "{When}": "From 2.0 to 7.5 seconds",
    "{metres}": "20",
    "{track}": "a running track",
    "{event}": "a football match",
    "{race}": "a marathon",
    "{cities}": "Rome and Paris",
    "{mover}": "a cheetah",
    "{place}": "in a town",
    "{kind}": "car",
    "{surface}": "on a dry road",
    "{first}": "the object marked by the red box",
    "{First}": "The object marked by the red box",
    "{second}": "the object marked by the blue box",
    "{object}": "the object marked by the red box",
}


@pytest.mark.parametrize("task", REASONING_TASKS)
def test_questions_that_reason_are_told_by_their_units(task):
    form = task_form(task)
    phrasings = load_phrasings(task)
    for question in phrasings.questions + phrasings.held_out_questions:
        text = question.text
        for name, words in FILLED.items():
            text = text.replace(name, words)
        told = likely_task(text)
        assert told is not None, text
        if told == YES_NO_TASK:
            assert form.options == ("yes", "no"), text
        else:
            found = task_form(told)
            assert (found.answer, found.unit, found.options) == (form.answer, form.unit, form.options), text


@pytest.mark.parametrize(
    ("question", "text", "answer"),
    [
        ("How many metres does the red car drive?", "about 12", Quantity(12, "m")),
        ("How far does the car go?", "The car moves 3 m to 4 o'clock.", Quantity(3, "m")),
        ("How fast is the red car?", "10 m/s", Quantity(36, "km/h")),
        ("How fast?", "12 m", None),
        ("In which direction does the red car drive?", "6 o'clock", ClockHour(6)),
        ("Which way does it turn?", "left", None),
        ("When does it stop?", "From 2 to 4 s.", Interval(2, 4)),
        ("How long does it stand?", "5 seconds", Quantity(5, "s")),
        ("Who wins, red or blue?", "the red one", Choice("red")),
        ("Is the red car faster than the blue car?", "The blue car is.", Choice("blue")),
        ("Is the red car faster than the blue car?", "No, the blue car is faster.", Choice("no")),
        ("Does the car turn left?", "Yes, it does.", Choice("yes")),
        ("Is the car braking?", "It is hard to tell.", None),
        ("Does the red car exceed a limit of 50?", "It stays below the limit.", Choice("no")),
        ("How many turns does it make?", "Two turns.", Count(2)),
        ("Where is it?", "(1, 2, 3)", Position((1, 2, 3))),
        ("How far?", "I cannot tell.", None),
        ("How far?", "", None),
    ],
)
def test_questions_in_anybodys_words(question, text, answer):
    assert parse_any(text, question) == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("The red car travels 12 m.", Quantity(12, "m")),
        ("It goes 36 km/h.", Quantity(36, "km/h")),
        ("It takes 3 s.", Quantity(3, "s")),
        ("It brakes at 2 m/s^2.", Quantity(-2, "m/s^2")),
        ("Toward 3 o'clock.", ClockHour(3)),
        ("From 2 to 4 s.", Interval(2, 4)),
        ("It is the red one.", Choice("red")),
        ("In the same direction.", Choice("same")),
        ("Yes.", Choice("yes")),
        ("(1.2, 0.3, 12.5)", Position((1.2, 0.3, 12.5))),
        # two kinds of value, a number of nothing, two colours, nothing
        ("It goes 12 m in 3 s.", None),
        ("12 m toward 3 o'clock", None),
        ("about 12", None),
        ("red and blue", None),
        ("A street.", None),
        ("", None),
    ],
)
@pytest.mark.parametrize("question", [None, "", "Tell me about it."])
def test_without_a_telling_question_the_text_must_state_one_kind_of_value(question, text, answer):
    assert parse_any(text, question) == answer
