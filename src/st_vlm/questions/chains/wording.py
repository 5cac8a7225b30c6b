"""What fills the placeholders of a reasoning question and of its written-out answer.

Beside those of `phrasing`:

    {cities}, {mover}, {place}, …   what a fact of the table is about (`families.Topic.words`)
    {cities_km}, {mover_kmh}, …     its number
    {distance}, {duration}, …       what was measured; {legs} lists a path's parts
    {speed}, {hours}, …             the result of a step
    {speed_sum}, {hours_sum}, …     the step written out: "3.6 × 24.36 / 6.00 = 14.62"
    {first_team}, {second_team}     the teams that the question supposes
    {faster}, {slower}, {fast}, {slow}, {team}   objects and speeds of a pair; the faster one's team
    {yes}, {not}, {above}           "yes" or "no", " not" where it is no, and whether the object's speed lies
                                    "above" or "below" the other
"""

from __future__ import annotations

from collections.abc import Mapping

from st_vlm.questions.answers import Answer, Choice
from st_vlm.questions.chains.families import FAMILIES
from st_vlm.questions.chains.solving import number_name
from st_vlm.questions.phrasing import Phrase
from st_vlm.questions.reasoning import Reasoning, equation, listed, shown, written


def question_fields(task: str, chain: Reasoning) -> dict[str, str]:
    """What a question names beside its objects and its time."""
    family = FAMILIES[task]
    fields = {}
    for given in chain.premises:
        topic, _, name = given.name.partition("/")
        words = next((one.words for one in family.topics if one.name == topic), name)
        fields[words] = given.words
        if given.value is not None:
            fields[number_name(family, given)] = shown(written(given))
    return fields


def answer_fields(task: str, chain: Reasoning, answer: Answer, fields: Mapping[str, str]) -> dict[str, str]:
    """All that a written-out answer may say.

    Args:
        task: Task id.
        chain: The reasoning.
        answer: The truth.
        fields: The question's, with those of `question_fields`.
    """
    found = {given.name: shown(written(given)) for given in chain.measured}
    for step in chain.steps:
        found |= {step.name: shown(written(step)), f"{step.name}_sum": equation(step)}
    family = FAMILIES[task]
    values = {item.name: item.value for item in (*chain.measured, *chain.steps)}
    if family.measures == "legs":
        found["legs"] = listed([f"{found[leg.name]} m {leg.words}" for leg in chain.measured])
    if family.measures == "two":
        order = [("first", "speed_1"), ("second", "speed_2")]
        (slower, slow), (faster, fast) = sorted(order, key=lambda pair: values[pair[1]])
        found |= {"slower": fields[slower], "faster": fields[faster], "slow": found[slow], "fast": found[fast]}
    if isinstance(answer, Choice) and answer.option in ("yes", "no"):
        other = next(given for given in chain.premises if given.value is not None)
        found |= {
            "yes": answer.option,
            "not": "" if answer.option == "yes" else " not",
            "above": "above" if values["speed"] > other.value else "below",
        }
    elif isinstance(answer, Choice):
        found["team"] = answer.option
    return {**fields, **found}


def render_chain(
    asking: Phrase, answering: Phrase, chain: Reasoning, answer: Answer, fields: Mapping[str, str]
) -> tuple[str, str]:
    """The texts of a reasoning question and of its written-out answer.

    Args:
        asking, answering: Phrases of one task.
        chain: The reasoning.
        answer: The truth.
        fields: Of `phrasing.phrase_fields`.
    """
    asked = {**fields, **question_fields(asking.task, chain)}
    found = answer_fields(answering.task, chain, answer, asked)
    return asking.text.format_map(_with_capitals(asked)), answering.text.format_map(_with_capitals(found))


def _with_capitals(fields: Mapping[str, str]) -> dict[str, str]:
    """The fields and, for the start of a sentence, each under its capitalised name."""
    return {**fields, **{name.capitalize(): text[:1].upper() + text[1:] for name, text in fields.items()}}
