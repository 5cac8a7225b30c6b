"""Chains read as a stranger reads them: the answer's text alone, a calculator, the table's file and the raw tracks.

Nothing of the package's own arithmetic is used here.
"""

import math
import re
from fractions import Fraction

import pytest
from chain_truth import EQUATION, NUMBER, calculated, facts_of, number, truth_of

from st_vlm.questions.answers import Choice, Quantity
from st_vlm.questions.forms import from_target
from st_vlm.questions.parsing import parse_answer


def test_the_calculator_itself():
    assert calculated("3.6 × 24.36 / 6.00") == Fraction("14.616")
    assert calculated("6.84 × 6.84 / (2 × 5)") == Fraction("4.67856")
    assert calculated("1.51 + 0.55 + 2.48") == Fraction("4.54")
    assert calculated("22.17 - 2.10") == Fraction("20.07")
    assert calculated("1,000 × 24.64 × 32 / 60") == Fraction(1000) * Fraction("24.64") * 32 / 60


def test_every_equation_holds_for_what_it_shows(all_texts):
    """The left side's own numbers, calculated exactly, are the right side to its last decimal."""
    count = 0
    for _, _, _, answer in all_texts:
        equations = EQUATION.findall(answer)
        assert equations, answer
        assert len(equations) == answer.count("="), answer
        for left, right in equations:
            assert abs(calculated(left) - number(right)) <= Fraction(1, 200), (left, right, answer)
            assert len(right.split(".")[1]) == 2
            count += 1
    assert count > 4000


def test_every_number_comes_from_somewhere(all_texts):
    """In sentences and on left sides stand only measured numbers, facts, what the question says, results, and the few
    numbers of the formulas."""
    for filmed, row, question, answer in all_texts:
        distances, duration = truth_of(filmed, row)
        facts = [entry["value"] for entry in facts_of(row).values()]
        stated = [float(number(text)) for text in re.findall(NUMBER, question)]
        results = [float(number(right)) for _, right in EQUATION.findall(answer)]
        names = " ".join(entry["name"] for entry in facts_of(row).values())
        named = [float(number(text)) for text in re.findall(NUMBER, names)]
        legs = []
        if row["task"] == "path_length":
            legs = [given["value"] for given in row["reasoning"]["measured"]]
            for given in row["reasoning"]["measured"]:
                legs += [float(text) for text in re.findall(NUMBER, given["words"])]
        known = [*facts, *stated, *results, *named, *legs, 3.6, 1000, 60, 2]
        for text in re.findall(rf"(?<![\w.,]){NUMBER}", answer):
            value = float(number(text))
            measured = [d for d in distances if abs(d - value) <= 0.05] or abs(duration - value) <= 0.006
            assert measured or any(math.isclose(value, one, abs_tol=1e-9) for one in known), (text, answer)


def expected(row, distances, duration):
    """The answer by its own formula, from unrounded truth."""
    facts = {topic: entry["value"] for topic, entry in facts_of(row).items()}
    supposed = {g["name"].split("/")[1]: g for g in row["reasoning"]["premises"] if g["name"].startswith("supposed")}
    kmh = [3.6 * d / duration for d in distances]
    v = kmh[0] / 3.6
    match row["task"]:
        case "city_travel_time":
            return facts["city_distances"] / kmh[0]
        case "times_slower":
            return facts["typical_speeds"] / kmh[0]
        case "race_time":
            return facts["race_lengths"] / kmh[0]
        case "laps_in_time":
            return v * 60 * facts["durations"] / facts["lap_lengths"]
        case "distance_in_time":
            return kmh[0] * facts["durations"] / 60
        case "stopping_distance":
            return v * facts["reaction_times"] + v * v / 2 / facts["decelerations"]
        case "kinetic_energy":
            return facts["masses"] * v * v / 2 / 1000
        case "catching_up":
            return supposed["metres"]["value"] / (abs(kmh[0] - kmh[1]) / 3.6)
        case "path_length":
            return distances[0]
        case "over_speed_limit":
            return "yes" if kmh[0] > facts["speed_limits"] else "no"
        case "keeping_pace":
            return "yes" if facts["typical_speeds"] > kmh[0] else "no"
        case "faster_team":
            return supposed["first_team" if kmh[0] > kmh[1] else "second_team"]["words"]


def test_answers_are_those_of_the_tracks(made):
    """Within what rounding to two decimals on the way can do to slow objects."""
    for filmed, row in made:
        distances, duration = truth_of(filmed, row)
        wanted, answer = expected(row, distances, duration), from_target(row["task"], row["target"])
        if isinstance(answer, Choice):
            assert answer.option == wanted, row["answer"]
        else:
            slowest = 3.6 * min(distances) / duration
            assert answer.value == pytest.approx(wanted, rel=0.012 + 0.02 / slowest, abs=0.02), row["answer"]


def test_the_shown_result_is_the_target_and_the_text_reads_back(all_texts):
    for _, row, question, answer in all_texts:
        truth = from_target(row["task"], row["target"])
        assert parse_answer(row["task"], answer, question) == truth, answer
        last = re.split(r"(?<=\.) (?=[A-Z0-9])", answer)[-1]
        assert parse_answer(row["task"], last, question) == truth, last
        if isinstance(truth, Quantity):
            assert float(number(EQUATION.findall(answer)[-1][1])) == truth.value


def test_questions_state_their_time_their_objects_and_what_they_suppose(all_texts):
    for _, row, question, answer in all_texts:
        span = row["span"]
        stated = f"from {span['start']:.1f} to {span['end']:.1f} seconds" in question.lower()
        assert stated == row["asked"]["states_span"]
        for text in (question, answer):
            assert "{" not in text
            assert "  " not in text
            for sentence in re.split(r"(?<=[.?]) ", text):
                assert sentence[0].isupper() or sentence[0].isdigit(), text
        if len(row["marks"]) > 1:
            for k in row["asked"]["objects"]:
                assert f"the {row['marks'][k]['color']} box" in question
        for given in row["reasoning"]["premises"]:
            if not given["name"].startswith("reaction"):
                words = f"{given['value']:g}" if given["name"] == "supposed/metres" else given["words"]
                assert words.lower() in question.lower(), (words, question)


def test_what_must_be_known_is_not_told(made):
    """A fact's number stands in no question, but in names ("a 100 m sprinter", "a German 30 zone")."""
    for _, row in made:
        for topic, entry in facts_of(row).items():
            shown = {text for text in re.findall(NUMBER, row["question"].replace(entry["name"], ""))}
            spans = {f"{row['span'][end]:.1f}" for end in ("start", "end")}
            assert f"{entry['value']:,}" not in shown - spans or topic == "reaction_times", row["question"]
