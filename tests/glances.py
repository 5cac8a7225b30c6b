"""Questions made by hand, as whoever never looks sees them."""

from st_vlm.evaluation.glance import Glance
from st_vlm.questions.answers import Choice, ClockHour, Interval, Quantity


def single(task, answer, noun="car", span=(0.0, 8.0), hour=None) -> Glance:
    """A question about one object."""
    return Glance(task, (noun,), ("red",), *span, hour, answer)


def distance(metres, noun="car", span=(0.0, 8.0)) -> Glance:
    return single("traveled_distance", Quantity(metres, "m"), noun, span)


def speed(kmh, noun="car") -> Glance:
    return single("traveling_speed", Quantity(kmh, "km/h"), noun)


def direction(hour) -> Glance:
    return single("moving_direction", ClockHour(hour))


def interval(hour, start, end, span=(0.0, 8.0)) -> Glance:
    return single("direction_timestamp", Interval(start, end), span=span, hour=hour)


def farther(winner, loser, first=None, nouns=("car", "car")) -> Glance:
    """A comparison of distances that `winner` wins; `first` is named first, else the winner."""
    colours = (winner, loser) if first in (None, winner) else (loser, winner)
    return Glance("traveled_distance_comparison", nouns, colours, 0.0, 8.0, None, Choice(winner))


def relation(option) -> Glance:
    return Glance("moving_direction_comparison", ("car", "car"), ("red", "blue"), 1.0, 3.0, None, Choice(option))
