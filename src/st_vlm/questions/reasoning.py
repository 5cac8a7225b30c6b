"""A written-out chain of reasoning: what it takes for granted, what was measured, and the steps between them.

Every number of a chain is rounded when it is made, and every later number is computed from the rounded ones as they
are shown: whoever follows a chain with a calculator meets no other numbers.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from functools import cache

import pyarrow as pa

from st_vlm.errors import InputError

_GIVEN = [("name", pa.string()), ("words", pa.string()), ("value", pa.float64()), ("unit", pa.string())]
_STEP = [
    ("name", pa.string()),
    ("text", pa.string()),
    ("expression", pa.string()),
    ("value", pa.float64()),
    ("unit", pa.string()),
]
# The column `reasoning` of a dataset row; null for tasks that need no chain.
REASONING_TYPE = pa.struct(
    [
        ("knowledge_version", pa.int64()),
        ("premises", pa.list_(pa.struct(_GIVEN))),
        ("measured", pa.list_(pa.struct(_GIVEN))),
        ("steps", pa.list_(pa.struct(_STEP))),
    ]
)
_HUNDREDTH = Decimal("0.01")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


@dataclass(frozen=True)
class Given:
    """Something that a chain starts from.

    Attributes:
        name: Of a fact of the knowledge table `topic/entry`; of what the question supposes `supposed/…`; of what was
            measured, the name by which formulas call it.
        words: What it is about ("New York and Los Angeles"), or all there is to it (the "home" team).
        value, unit: The number, if it is one; measured ones have two decimals.
    """

    name: str
    words: str
    value: float | None = None
    unit: str | None = None


@dataclass(frozen=True)
class Step:
    """One calculation.

    Attributes:
        name: By which later formulas call its result.
        text: What is calculated, in words.
        expression: Numbers, `+ - * /` and parentheses, in the order of Python; the numbers are those that are shown.
        value, unit: The result, two decimals.
    """

    name: str
    text: str
    expression: str
    value: float
    unit: str


@dataclass(frozen=True)
class Reasoning:
    """A whole chain; `knowledge_version` is that of the table from which its facts were taken."""

    knowledge_version: int
    premises: tuple[Given, ...]
    measured: tuple[Given, ...]
    steps: tuple[Step, ...]

    def to_column(self) -> dict:
        """The value of a row's column `reasoning`."""
        found = asdict(self)
        return {name: list(part) if isinstance(part, tuple) else part for name, part in found.items()}

    @classmethod
    def from_column(cls, column: Mapping) -> Reasoning:
        """The chain in a row's column `reasoning`; the inverse of `to_column`.

        Raises:
            InputError: A part is missing.
        """
        try:
            return cls(
                int(column["knowledge_version"]),
                tuple(Given(**given) for given in column["premises"]),
                tuple(Given(**given) for given in column["measured"]),
                tuple(Step(**step) for step in column["steps"]),
            )
        except (KeyError, TypeError) as error:
            raise InputError(
                f"The column reasoning does not hold a chain ({error}); build the dataset again with this version."
            ) from None

    def premise(self, topic: str) -> Given:
        """The premise of a topic, or what the question supposes under that name.

        Raises:
            InputError: There is none.
        """
        for given in self.premises:
            if given.name.split("/")[0] == topic or given.name == f"supposed/{topic}":
                return given
        raise InputError(f"The chain has no premise of {topic}; build the dataset again with this version.")


def measured(name: str, words: str, value: float, unit: str) -> Given:
    """A measured number, rounded to the two decimals that are shown."""
    return Given(name, words, round(float(value), 2), unit)


def calculate(name: str, text: str, formula: str, unit: str, known: Mapping[str, str]) -> Step:
    """A step: its formula with the known numbers as they are shown, and its result.

    Args:
        name, text, unit: As in `Step`.
        formula: Names and numbers with `+ - * /` and parentheses.
        known: Name to number as it is written.
    """
    expression = _named(formula).sub(lambda match: known[match[0]], formula)
    return Step(name, text, expression, rounded(evaluate(expression)), unit)


def evaluate(expression: str) -> Fraction:
    """The exact value of an expression of decimal numbers, `+ - * /` and parentheses.

    Raises:
        InputError: Anything else, or a division by zero.
    """
    try:
        return _value(_parsed(expression), expression)
    except (SyntaxError, ZeroDivisionError, KeyError):
        raise InputError(f"The expression {expression!r} has no value.") from None


def rounded(value: Fraction) -> float:
    """Two decimals, halves away from zero, as on a calculator."""
    exact = Decimal(value.numerator) / Decimal(value.denominator)
    return float(exact.quantize(_HUNDREDTH, rounding=ROUND_HALF_UP))


def written(given: Given | Step) -> str:
    """A number of a chain as expressions hold it: two decimals where it was measured or calculated, else as it is
    known."""
    if isinstance(given, Step) or "/" not in given.name:
        return f"{given.value:.2f}"
    return f"{given.value:.10g}"


def shown(number: str) -> str:
    """A written number as sentences show it, with commas between thousands."""
    whole, point, decimals = number.partition(".")
    return f"{int(whole):,}{point}{decimals}"


def equation(step: Step) -> str:
    """A step as sentences show it: "3.6 × 24.36 / 6.00 = 14.62"."""
    left = _NUMBER.sub(lambda match: shown(match[0]), step.expression).replace("*", "×")
    return f"{left} = {shown(written(step))}"


def listed(parts: Sequence[str]) -> str:
    """Parts in one phrase: "a, b and c"."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


@cache
def _named(formula: str) -> re.Pattern[str]:
    names = {node.id for node in ast.walk(ast.parse(formula, mode="eval")) if isinstance(node, ast.Name)}
    return re.compile(r"\b(?:" + "|".join(sorted(names, key=len, reverse=True)) + r")\b")


def _parsed(expression: str) -> ast.expr:
    return ast.parse(expression, mode="eval").body


def _value(node: ast.expr, source: str) -> Fraction:
    if isinstance(node, ast.Constant):
        # From its own digits, not from the float that Python reads in them.
        return Fraction(source[node.col_offset : node.end_col_offset])
    if not isinstance(node, ast.BinOp):
        raise KeyError
    left, right = _value(node.left, source), _value(node.right, source)
    if isinstance(node.op, ast.Add):
        return left + right
    if isinstance(node.op, ast.Sub):
        return left - right
    if isinstance(node.op, ast.Mult):
        return left * right
    if isinstance(node.op, ast.Div):
        return left / right
    raise KeyError
