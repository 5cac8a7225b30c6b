"""Figures of comparisons that can be counted by hand."""

import math

import pytest

from st_vlm.pseudo_labels.calibration.comparison import Comparison
from st_vlm.pseudo_labels.calibration.summary import summarise, tables


def one(**known):
    defaults = {
        "recording": "r", "track": "t", "category": "car", "range_m": 15.0, "speed_kmh": 12.0, "true_m": 10.0,
        "said_m": 10.0, "sigma_m": 0.5, "moves": True, "said_static": False, "answered": True, "true_hour": 0,
        "said_hour": 0, "heading_error_deg": math.nan, "interval_iou": math.nan, "misfit": 1.0,
    }  # fmt: skip
    return Comparison(**{**defaults, **known})


def unanswered(**known):
    return one(answered=False, said_m=math.nan, sigma_m=math.nan, **known)


def test_distances_of_what_moves_far_enough():
    found = [one(said_m=11.0), one(said_m=8.0), one(true_m=3.0, said_m=30.0), one(moves=False, true_m=0.0, said_m=0.0)]
    figures = summarise(found, clips=2)
    assert figures["distance_mre_moving"] == pytest.approx(0.15)
    assert (figures["clips"], figures["tracks"], figures["answered_rate"]) == (2, 4, 1.0)


def test_what_is_left_out_counts_as_wrong_beyond_a_fifth():
    good = [one(said_m=11.0)] * 4
    assert summarise([*good, unanswered()], 1)["distance_mre_moving"] == pytest.approx(0.1)
    assert summarise([*good, unanswered(), unanswered()], 1)["distance_mre_moving"] == pytest.approx(2.4 / 6)


def test_who_stands():
    standing = [one(moves=False, true_m=0.0, said_m=said) for said in (0.0, 0.0, 0.0, 1.2)]
    found = [*standing, one(said_m=0.0, said_static=True), one(), one(true_m=4.0, said_m=0.0, said_static=True)]
    figures = summarise(found, 1)
    assert figures["static_zero_rate"] == 0.75
    assert figures["moving_called_static_rate"] == 0.5


def test_hours_count_alike_however_often_each_is_asked():
    found = [one(true_hour=12, said_hour=12)] * 8 + [one(true_hour=3, said_hour=4), one(true_hour=3, said_hour=6)]
    figures = summarise(found, 1)
    assert figures["hour_exact_balanced"] == 0.5
    assert figures["hour_within_1"] == 0.9


def test_round_the_clock():
    assert summarise([one(true_hour=12, said_hour=1), one(true_hour=1, said_hour=12)], 1)["hour_within_1"] == 1.0
    assert summarise([one(true_hour=12, said_hour=0)], 1)["hour_within_1"] == 0.0


def test_coverage_is_of_answers_about_movement():
    found = [one(said_m=10.4), one(said_m=10.6), one(said_m=0.0, said_static=True, sigma_m=99.0), unanswered()]
    assert summarise(found, 1)["coverage_68"] == 0.5


def test_nothing_found_has_no_figures():
    figures = summarise([], 0)
    assert figures["tracks"] == 0
    assert figures["distance_mre_moving"] is None
    assert figures["coverage_68"] is None


def test_tables_are_in_the_order_of_their_numbers():
    found = [one(range_m=35.0), one(range_m=8.0, said_m=11.0), one(range_m=25.0), one(speed_kmh=55.0, category="bus")]
    assert [row["group"] for row in tables(found)["range"]] == ["6 to 12 m", "12 to 20 m", "20 to 30 m", "30 to 40 m"]
    assert tables(found)["range"][0]["distance_mre"] == pytest.approx(0.1)
    assert [row["group"] for row in tables(found)["speed"]] == ["10 to 20 km/h", "over 40 km/h"]
    assert [row["group"] for row in tables(found)["class"]] == ["bus", "car"]
