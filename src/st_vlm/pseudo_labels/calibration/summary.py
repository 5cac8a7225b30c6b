"""The figures of many comparisons: over all, and by range, speed and class."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from st_vlm.pseudo_labels.calibration.comparison import Comparison
from st_vlm.recordings.categories import noun

# Objects that travel less say little about relative errors.
MOVING_OVER_M = 5.0
RANGE_EDGES_M = (6.0, 12.0, 20.0, 30.0, 40.0)
SPEED_EDGES_KMH = (0.0, 5.0, 10.0, 20.0, 40.0, 1000.0)
# So many tracks may be left unanswered before each counts as an error of 100 %.
MOST_LEFT_OUT = 0.2


def summarise(found: Sequence[Comparison], clips: int) -> dict[str, float | int | None]:
    """The keys of `st-vlm pseudo-label --evaluate`; None where nothing applies."""
    answered = [c for c in found if c.answered]
    moving = [c for c in found if c.moves and c.true_m > MOVING_OVER_M]
    static = [c for c in answered if not c.moves]
    rate = len(answered) / len(found) if found else float("nan")
    errors = distance_errors(moving, count_unanswered=1 - rate > MOST_LEFT_OUT)
    hours = [c for c in answered if c.true_hour]
    by_hour = [np.mean([c.said_hour == hour for c in hours if c.true_hour == hour]) for hour in _hours(hours)]
    off = [min((c.said_hour - c.true_hour) % 12, (c.true_hour - c.said_hour) % 12) for c in hours]
    judged = [c for c in moving if c.answered]
    return {
        "clips": clips,
        "tracks": len(found),
        "answered_rate": _number(rate),
        "distance_mre_moving": _mean(errors),
        "static_zero_rate": _mean([c.said_m == 0 for c in static]),
        "moving_called_static_rate": _mean([c.said_static for c in judged]),
        "hour_exact_balanced": _mean(by_hour),
        "hour_within_1": _mean([c.said_hour > 0 and away <= 1 for c, away in zip(hours, off, strict=True)]),
        "heading_error_deg_median": _median([c.heading_error_deg for c in answered]),
        "interval_iou": _mean([c.interval_iou for c in answered if np.isfinite(c.interval_iou)]),
        "coverage_68": _mean([abs(c.said_m - c.true_m) <= c.sigma_m for c in judged if not c.said_static]),
    }


def distance_errors(moving: Sequence[Comparison], count_unanswered: bool) -> list[float]:
    """Relative errors of the distance; an unanswered track is left out or counts as 1."""
    return [
        abs(c.said_m - c.true_m) / c.true_m if c.answered else 1.0 for c in moving if c.answered or count_unanswered
    ]


def tables(found: Sequence[Comparison]) -> dict[str, list[dict]]:
    """Errors of the distance of what moves, by range, by speed and by class."""
    moving = [c for c in found if c.moves and c.true_m > MOVING_OVER_M and c.answered]
    return {
        "range": _grouped(moving, lambda c: _bin(c.range_m, RANGE_EDGES_M, "m")),
        "speed": _grouped(moving, lambda c: _bin(c.speed_kmh, SPEED_EDGES_KMH, "km/h")),
        "class": _grouped(moving, lambda c: noun(c.category)),
    }


def _grouped(found: Sequence[Comparison], group: Callable[[Comparison], str]) -> list[dict]:
    names = [group(c) for c in found]
    rows = []
    for name in sorted(set(names), key=_in_order):
        some = [c for c, its in zip(found, names, strict=True) if its == name]
        errors = distance_errors(some, count_unanswered=False)
        covered = [abs(c.said_m - c.true_m) <= c.sigma_m for c in some]
        rows.append(
            {
                "group": name,
                "n": len(some),
                "distance_mre": _mean(errors),
                "distance_median": _median(errors),
                "heading_error_deg_median": _median([c.heading_error_deg for c in some]),
                "coverage_68": _mean(covered),
            }
        )
    return rows


def _bin(value: float, edges: Sequence[float], unit: str) -> str:
    k = int(np.clip(np.searchsorted(edges, value, side="right") - 1, 0, len(edges) - 2))
    last = edges[k + 1] >= 1000
    return f"over {edges[k]:g} {unit}" if last else f"{edges[k]:g} to {edges[k + 1]:g} {unit}"


def _in_order(name: str) -> tuple[float, str]:
    """Bins by their numbers, classes by their names."""
    first = name.removeprefix("over ").split()[0]
    return (float(first), name) if first.replace(".", "").isdigit() else (float("inf"), name)


def _hours(found: Sequence[Comparison]) -> list[int]:
    return sorted({c.true_hour for c in found})


def _mean(values: Sequence[float]) -> float | None:
    return _number(np.mean(values)) if len(values) else None


def _median(values: Sequence[float]) -> float | None:
    known = [value for value in values if np.isfinite(value)]
    return _number(np.median(known)) if known else None


def _number(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None
