"""Phrasing files: read in order, or refused with the file and the line."""

import pytest

from st_vlm.errors import InputError
from st_vlm.questions.phrasing import Phrase
from st_vlm.questions.phrasing_files import parse_phrasings


def phrasing_file(questions=14, answers=7, held_out_questions=6, held_out_answers=3):
    """A file's text: q1 in line 2, a1 in line 17, the first held-out question q15 in line 26, answer a8 in line 33."""

    def lines(letter, first, count, text, indent):
        return [f'{indent}{letter}{n}: "{n}. {text}"' for n in range(first, first + count)]

    return "\n".join(
        [
            "questions:",
            *lines("q", 1, questions, "How far does {object} go {when}?", "  "),
            "answers:",
            *lines("a", 1, answers, "{value} meters.", "  "),
            "held_out:",
            "  questions:",
            *lines("q", questions + 1, held_out_questions, "How far does {object} go {when}?", "    "),
            "  answers:",
            *lines("a", answers + 1, held_out_answers, "{value} meters.", "    "),
            "",
        ]
    )


def test_a_phrasing_file_is_read_in_order():
    phrasings = parse_phrasings("traveled_distance", phrasing_file(), "file.yaml")
    assert phrasings.answers[0] == Phrase("traveled_distance/a1", "1. {value} meters.")
    assert [phrase.id.split("/")[1] for phrase in phrasings.held_out_questions] == [f"q{n}" for n in range(15, 21)]
    assert [phrase.id.split("/")[1] for phrase in phrasings.held_out_answers] == ["a8", "a9", "a10"]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("{when}", "{span}", r"line 2 \(q1\): unknown placeholder \{span\}; .* have Object, When, object, when"),
        ("{when}", "{hour}", r"line 2 .*unknown placeholder"),
        ("{when}", "{value}", r"line 2 .*unknown placeholder"),
        ("15. How far does {object} go {when}", "How far {object.x} {when}", r"line 26 \(q15\): unknown placeholder"),
        ("{when}", "", r"line 2 \(q1\): the placeholder \{when\} is missing"),
        ("{object}", "it", r"line 2 \(q1\): the placeholder \{object\} is missing"),
        ("{value}", "15", r"line 17 \(a1\): the placeholder \{value\} is missing"),
        ("8. {value}", "15", r"line 33 \(a8\): the placeholder \{value\} is missing"),
        ("{value}", "{value} to {hour}", r"line 17 .*unknown placeholder"),
        ("{value}", "{value", r"line 17 \(a1\): its braces"),
        ("{value}", "{}", r"line 17 .*unknown placeholder"),
        ("{value}", "{value:.1f}", r"line 17 \(a1\): write \{value\} without a format"),
        ("{value}", "{value!r}", r"line 17 \(a1\): write \{value\} without a format"),
        ('"1. {value} meters."', "[1, 2]", r"line 17 \(a1\).*line of text"),
        ('"1. {value} meters."', "", r"line 17 \(a1\).*line of text"),
        ("a2:", "a1:", r"line 18 \(a1\): line 17 has the same name"),
        ("q15:", "q3:", r"line 26 \(q3\): line 4 has the same name"),
        ("a8:", "q3:", r"line 33 \(q3\): line 4 has the same name"),
        ('"2. How', '"1. How', r"line 3 \(q2\): line 2 has the same wording"),
        ('"15. How', '"4. how ', r"line 26 \(q15\): line 5 has the same wording"),
        ('"8. {v', '"1. {v', r"line 33 \(a8\): line 17 has the same wording"),
        ("answers:", "replies:", r"line 16 \(replies\): .*questions, answers and held_out"),
        ("  answers:", "  replies:", r"line 32 \(replies\): .*questions and answers"),
        ("held_out:", "answers:", r"line 24 \(answers\): .*each once"),
        ("held_out:", "held_out: []\nquestions:", r"line 25 \(questions\): .*each once"),
        ("questions:", "questions: []\nfurther:", r"line 2 \(further\)"),
        ("q1:", "[q1]:", "line 2: a name must be plain text"),
        ("questions:", "questions: [", "line 3: not YAML"),
        ("questions:", "questions: \x00", "line 1: not YAML"),
        ("How", "\x01How", "line 2: not YAML"),
    ],
)
def test_bad_phrasing_files_are_refused_with_the_line(old, new, says):
    assert old in phrasing_file()
    with pytest.raises(InputError, match=f"^file.yaml, {says}"):
        parse_phrasings("traveled_distance", phrasing_file().replace(old, new, 1), "file.yaml")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "line 1: expected a mapping"),
        ("\n- questions\n- answers\n", "line 2: expected a mapping"),
        ("questions: {}\nanswers: {}\n", "line 1: held_out is missing"),
        ("questions: {}\nanswers: {}\nheld_out: none\n", "line 3: expected a mapping"),
        ("questions: none\nanswers: {}\nheld_out: {questions: {}, answers: {}}\n", "line 1: expected a mapping"),
        ("questions: {}\nanswers: {}\nheld_out:\n  questions: {}\n  answers:\n    - a\n", "line 4: 0 held-out"),
    ],
)
def test_what_is_no_mapping_is_refused(text, says):
    with pytest.raises(InputError, match=f"^file.yaml, {says}"):
        parse_phrasings("traveled_distance", text, "file.yaml")


@pytest.mark.parametrize(
    ("counts", "says"),
    [
        ((13, 7, 6, 3), "line 2: 13 questions and 6 held out are too few; add some, until there are 20 in all"),
        ((14, 6, 6, 3), "line 17: 6 answers and 3 held out are too few; add some, until there are 10 in all"),
        ((15, 7, 5, 3), "line 27: 5 held-out questions are too few; add some, until there are 6"),
        ((14, 8, 6, 2), "line 34: 2 held-out answers are too few; add some, until there are 3"),
    ],
)
def test_too_few_phrasings_are_refused(counts, says):
    with pytest.raises(InputError, match=f"^file.yaml, {says}"):
        parse_phrasings("traveled_distance", phrasing_file(*counts), "file.yaml")


@pytest.mark.parametrize(
    ("task", "question", "missing"),
    [
        ("direction_timestamp", "When does {object} turn {when}?", "hour"),
        ("traveling_speed_comparison", "Is {first} faster {when}?", "second"),
    ],
)
def test_each_task_needs_its_own_placeholders(task, question, missing):
    text = phrasing_file().replace("1. How far does {object} go {when}?", question, 1)
    with pytest.raises(InputError, match=rf"line 2 \(q1\): the placeholder \{{{missing}\}} is missing"):
        parse_phrasings(task, text, "file.yaml")
