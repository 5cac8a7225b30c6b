"""From motions and premises to a chain and its answer, for new questions and for those of a row once more."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from st_vlm.errors import InputError
from st_vlm.kinematics.motion import Moving, path_length
from st_vlm.questions import measuring
from st_vlm.questions.answers import TEAMS, Answer
from st_vlm.questions.chains.families import FAMILIES, Family
from st_vlm.questions.motion import SpanMotion
from st_vlm.questions.reasoning import Given, Reasoning, Step, calculate, measured, written

MOST_LEGS = 6
Solved = tuple[Answer, Reasoning]


def answer_again(task: str, reasoning: Mapping | Reasoning, motions: Sequence[SpanMotion]) -> Solved | None:
    """The answer and the chain of a row's question for other motions of its objects, such as mirrored ones.

    What the question supposes and the facts it was made with are taken from the row's own chain and stay as they are;
    what is measured and calculated is made anew.

    Args:
        task: Task id.
        reasoning: The row's column `reasoning`, or the chain in it.
        motions: Of the asked objects over the question's span, in the order of `asked["objects"]`.

    Returns:
        The answer and the new chain (`Reasoning.to_column` makes the column of it); None where the question would not
        be asked about these motions.

    Raises:
        InputError: No reasoning task, or a chain without one of the task's premises.
    """
    if task not in FAMILIES:
        raise InputError(f"{task} is no reasoning task: choose one of {', '.join(FAMILIES)}.")
    chain = reasoning if isinstance(reasoning, Reasoning) else Reasoning.from_column(reasoning)
    family = FAMILIES[task]
    for name in (*(topic.name for topic in family.topics), *family.supposes):
        chain.premise(name)
    found = measure(family, motions)
    return None if found is None else solve(family, chain.premises, found, chain.knowledge_version)


def measure(family: Family, motions: Sequence[SpanMotion]) -> tuple[Given, ...] | None:
    """What a family measures, or None where it asks nothing about these motions."""
    return _MEASURES[family.measures](motions)


def solve(family: Family, premises: Sequence[Given], found: Sequence[Given], version: int) -> Solved | None:
    """Calculate all steps and conclude; None where the answer would be too close or too small to ask for.

    Args:
        family: Which.
        premises: All that it needs.
        found: From `measure`.
        version: Of the knowledge table.
    """
    known = {given.name: written(given) for given in found}
    for given in premises:
        if given.value is not None:
            known[number_name(family, given)] = written(given)
    steps: list[Step] = []
    for rule in family.rules:
        if rule.name == "gain":
            pair = sorted((steps[0], steps[1]), key=lambda step: step.value)
            known |= {"slow": written(pair[0]), "fast": written(pair[1])}
        if rule.name == "seconds" and steps[-1].value == 0:
            return None
        if family.measures == "one" and any(step.value == 0 for step in steps):
            # Too slow to calculate with: it is shown as 0.00.
            return None
        steps.append(calculate(rule.name, rule.text, rule.formula, rule.unit, known))
        known[rule.name] = written(steps[-1])
    if family.measures == "legs":
        formula = " + ".join(given.name for given in found)
        steps.append(calculate("length", "length of the path", formula, "m", known))
        known["length"] = written(steps[-1])
    numbers = {name: float(number) for name, number in known.items()}
    chain = Reasoning(version, tuple(premises), tuple(found), tuple(steps))
    if "first_team" in family.supposes:
        numbers["first_is_home"] = float(chain.premise("first_team").words == TEAMS[0])
    answer = family.conclude(numbers)
    return None if answer is None else (answer, chain)


def number_name(family: Family, premise: Given) -> str:
    """What formulas call the number of a premise."""
    topic, _, name = premise.name.partition("/")
    return next((one.number for one in family.topics if one.name == topic), name)


def _one(motions: Sequence[SpanMotion]) -> tuple[Given, ...] | None:
    (motion,) = motions
    if motion.state is not Moving.MOVING:
        return None
    return (
        measured("distance", "distance that the object travels", motion.distance_m, "m"),
        measured("duration", "duration", motion.duration_s, "s"),
    )


def _two(motions: Sequence[SpanMotion]) -> tuple[Given, ...] | None:
    if measuring.farther(motions) is None:
        return None
    names = ("distance that the first travels", "distance that the second travels")
    distances = (
        measured(f"distance_{k}", words, motion.distance_m, "m")
        for k, (words, motion) in enumerate(zip(names, motions, strict=True), 1)
    )
    return (*distances, measured("duration", "duration", motions[0].duration_s, "s"))


def _legs(motions: Sequence[SpanMotion]) -> tuple[Given, ...] | None:
    """The path between turns and stops, where there are at least two different directions."""
    (motion,) = motions
    if motion.state is not Moving.MOVING:
        return None
    runs = motion.runs
    if len({run.hour for run in runs} - {None}) < 2 or len(runs) > MOST_LEGS:
        return None
    legs = []
    for k, run in enumerate(runs, 1):
        inside = (motion.times_s >= run.start_s - 1e-6) & (motion.times_s <= run.end_s + 1e-6)
        words = f"from {run.start_s:.1f} to {run.end_s:.1f} s"
        legs.append(measured(f"leg_{k}", words, path_length(motion.points[inside]), "m"))
    return tuple(legs)


_MEASURES: dict[str, Callable[[Sequence[SpanMotion]], tuple[Given, ...] | None]] = {
    "one": _one,
    "two": _two,
    "legs": _legs,
}
