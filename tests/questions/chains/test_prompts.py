"""The prompts of the reasoning tasks and their written-out answers, word for word."""

import os
from pathlib import Path

from chain_truth import TABLE
from hand_built import along, recording, straight, track

from st_vlm.questions.answers import Interval
from st_vlm.questions.chains.families import FAMILIES
from st_vlm.questions.chains.solving import measure, solve
from st_vlm.questions.chains.wording import render_chain
from st_vlm.questions.forms import REASONING_TASKS
from st_vlm.questions.motion import span_motion
from st_vlm.questions.phrasing import phrase_fields
from st_vlm.questions.phrasing_files import load_phrasings
from st_vlm.questions.reasoning import Given

PROMPTS = Path(__file__).parents[1] / "snapshots" / "reasoning_prompts.txt"
RENEW = "ST_VLM_RENEW_SNAPSHOTS"


def prompts():
    """Every wording of every family, filled from one small chain, a line each."""
    facts = {
        "city_distances": "new_york_los_angeles",
        "typical_speeds": "airliner",
        "speed_limits": "germany_town",
        "race_lengths": "marathon",
        "lap_lengths": "athletics",
        "durations": "football",
        "decelerations": "dry_asphalt",
        "reaction_times": "driver",
        "masses": "car",
    }
    made = recording(
        track("a", along(5.0, (-15, 30), (5, 30), (5, 50))), track("b", straight(-10, 20, 2.0)), frames_s=None
    )
    motions = [span_motion(made, one, int(one.times_ns[0]), 2.0, 7.5) for one in made.tracks]
    for task, family in FAMILIES.items():
        premises = []
        for topic in family.topics:
            entry = TABLE[topic.name][facts[topic.name]]
            name = f"{topic.name}/{facts[topic.name]}"
            premises.append(Given(name, entry["name"], float(entry["value"]), entry["unit"]))
        for name, words, value, unit in (
            ("first_team", "home", None, None),
            ("second_team", "away", None, None),
            ("metres", "head start", 50.0, "m"),
        ):
            if name in family.supposes:
                premises.append(Given(f"supposed/{name}", words, value, unit))
        form = REASONING_TASKS[task]
        found = measure(family, motions[: form.marks])
        answer, chain = solve(family, premises, found, 1)
        metres = 50.0 if "metres" in form.states else None
        fields = phrase_fields(task, ["red", "blue"][: form.marks], Interval(2.0, 7.5), metres=metres)
        phrasings = load_phrasings(task)
        questions = phrasings.questions + phrasings.held_out_questions
        answers = phrasings.answers + phrasings.held_out_answers
        for phrase in questions:
            yield f"{phrase.id}: {render_chain(phrase, answers[0], chain, answer, fields)[0]}\n"
        for phrase in answers:
            yield f"{phrase.id}: {render_chain(questions[0], phrase, chain, answer, fields)[1]}\n"


def test_prompts_are_those_of_the_snapshot():
    """What models are asked and taught: a change is seen in review. A meant one is written by

    ST_VLM_RENEW_SNAPSHOTS=1 pytest tests/questions/chains/test_prompts.py
    """
    if os.environ.get(RENEW):
        PROMPTS.write_text("".join(prompts()), encoding="utf-8")
    assert list(prompts()) == PROMPTS.read_text(encoding="utf-8").splitlines(keepends=True), (
        f"The prompts changed. If that is meant, run with {RENEW}=1 and commit {PROMPTS.name}."
    )
