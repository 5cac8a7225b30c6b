"""The numbers of chains: exact values, rounding as on a calculator, and how sentences show them."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from st_vlm.errors import InputError
from st_vlm.questions.reasoning import Given, Reasoning, Step, calculate, equation, evaluate, listed, rounded, shown

HUNDREDTHS = st.integers(1, 10**7).map(lambda n: f"{n // 100}.{n % 100:02d}")


@given(HUNDREDTHS, HUNDREDTHS, HUNDREDTHS)
def test_a_step_is_the_exact_value_of_what_it_shows(a, b, c):
    step = calculate("x", "x", "one * two / (2 * three) + one - two", "m", {"one": a, "two": b, "three": c})
    assert step.expression == f"{a} * {b} / (2 * {c}) + {a} - {b}"
    exact = Fraction(a) * Fraction(b) / (2 * Fraction(c)) + Fraction(a) - Fraction(b)
    assert abs(Fraction(step.value) - exact) <= Fraction(5001, 10**6)


@given(st.integers(0, 10**6))
def test_halves_are_rounded_up_as_on_a_calculator(n):
    assert rounded(Fraction(10 * n + 5, 1000)) == float(Decimal(n + 1) / 100)


@pytest.mark.parametrize("text", ["", "1 +", "1 / 0", "a", "2 ** 3", "-1", "f(1)", "1 / (0.5 - 0.5)", "1 < 2"])
def test_what_is_no_calculation_is_refused(text):
    with pytest.raises(InputError, match="has no value"):
        evaluate(text)


def test_how_numbers_are_shown():
    assert [shown(n) for n in ("3936", "42.195", "48960.00", "0.30", "1234567.8")] == [
        "3,936",
        "42.195",
        "48,960.00",
        "0.30",
        "1,234,567.8",
    ]
    step = Step("laps", "laps", "1000 * 14.62 * 90 / 60", 21930.0, "m")
    assert equation(step) == "1,000 × 14.62 × 90 / 60 = 21,930.00"
    assert [listed(parts) for parts in (["a"], ["a", "b"], ["a", "b", "c"])] == ["a", "a and b", "a, b and c"]


def test_the_column_is_the_chain():
    chain = Reasoning(
        1,
        (Given("masses/car", "car", 1500.0, "kg"), Given("supposed/first_team", "home")),
        (Given("distance", "distance", 24.36, "m"),),
        (Step("speed", "speed", "3.6 * 24.36 / 6.00", 14.62, "km/h"),),
    )
    assert Reasoning.from_column(chain.to_column()) == chain
    assert chain.premise("masses").value == 1500
    assert chain.premise("first_team").words == "home"
    with pytest.raises(InputError, match="no premise of speed_limits"):
        chain.premise("speed_limits")
    with pytest.raises(InputError, match="does not hold a chain"):
        Reasoning.from_column({"steps": []})
