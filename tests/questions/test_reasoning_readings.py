"""What free text concludes with, for the reasoning tasks."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from st_vlm.questions.answers import Choice, Quantity
from st_vlm.questions.forms import REASONING_TASKS
from st_vlm.questions.parsing import parse_answer

TEAM_QUESTION = (
    "Suppose the object marked by the blue box belongs to the away team and the object marked by the red box to the "
    "home team. Whose player is faster?"
)


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("269.2 hours", 269.2),
        ("It would take about 269 h 12 min.", 269.2),
        ("That is 11 days 5 hours.", 269.0),
        ("That is 11 days, 5 hours and 12 minutes.", 269.2),
        ("roughly 11.2 days", 268.8),
        ("It takes eleven days.", 264.0),
        ("two weeks", 336.0),
        ("90 minutes", 1.5),
        ("At 14.62 km/h, 3,936 km take 3,936 / 14.62 = 269.22 hours.", 269.22),
        ("It moves for 6.00 s. So it would need 1,269.22 hours.", 1269.22),
        ("It moved 24.36 m in 6.0 s. The answer is 269.22.", 269.22),
        ("The journey takes 269 hours. I hope this helps!", 269.0),
        ("269.22", 269.22),
        ("between 260 and 280 hours", 270.0),
        ("\\boxed{269.22\\text{ hours}}", 269.22),
        ("I cannot determine the exact speed, but about 270 hours.", 270.0),
    ],
)
def test_hours(text, hours):
    assert parse_answer("city_travel_time", text) == Quantity(hours, "h")


@pytest.mark.parametrize(
    ("task", "text", "value"),
    [
        ("times_slower", "61.5 times", 61.5),
        ("times_slower", "It is about 60x slower.", 60),
        ("times_slower", "about 60× as fast", 60),
        ("times_slower", "900 / 14.62 = 61.56 times slower", 61.56),
        ("times_slower", "slower by a factor of 61.5", 61.5),
        ("times_slower", "900 km/h by 14.62 km/h: the ratio is about 61.56.", 61.56),
        ("times_slower", "sixty times", 60),
        ("times_slower", "a 12-fold difference", 12),
        ("laps_in_time", "In 90 minutes it goes 21,930 m, which is 54.83 laps.", 54.83),
        ("laps_in_time", "One lap is 400 m. It makes 54.8 laps.", 54.8),
        ("kinetic_energy", "0.3 MJ", 300),
        ("kinetic_energy", "The kinetic energy is 12,369 J.", 12.37),
        ("kinetic_energy", "12.37 kilojoules", 12.37),
        ("distance_in_time", "21.93 km", 21.93),
        ("distance_in_time", "At 14.62 km/h it covers 21,930 m.", 21.93),
        ("stopping_distance", "Reaction takes 6.8 m and braking 4.7 m. In all 11.5 m.", 11.5),
        ("stopping_distance", "It slows by 7 m/s each second, and 11.52 meters are needed", 11.52),
        ("catching_up", "At 2.16 km/h more it needs 16.7 s.", 16.7),
        ("catching_up", "after 1 min 20 s", 80),
        ("path_length", "10.5 m, then 4.5 m. In total 15 m.", 15),
    ],
)
def test_other_amounts(task, text, value):
    assert parse_answer(task, text) == Quantity(value, REASONING_TASKS[task].unit)


@pytest.mark.parametrize(
    ("task", "text"),
    [
        ("city_travel_time", "I cannot determine that."),
        ("city_travel_time", "3,936 km at 14.62 km/h"),
        ("city_travel_time", "from 3 to 5 hours by 3936"),
        ("city_travel_time", ""),
        ("times_slower", "Much slower, 14.62 km/h against 900 km/h."),
        ("laps_in_time", "21,930 m"),
        ("kinetic_energy", "14.62 km/h"),
        ("distance_in_time", "14.62 km/h"),
        ("over_speed_limit", "It moves at 24 km/h."),
        ("over_speed_limit", "I am not sure."),
        ("over_speed_limit", "Yes or no? Yes, no."),
        ("keeping_pace", "Maybe."),
        ("faster_team", "Both are equally fast."),
        ("faster_team", "Home averages 14 km/h, away 12 km/h."),
    ],
)
def test_what_concludes_nothing(task, text):
    assert parse_answer(task, text, TEAM_QUESTION) is None


@pytest.mark.parametrize(
    ("task", "text", "option"),
    [
        ("over_speed_limit", "Yes.", "yes"),
        ("over_speed_limit", "No, it is slower.", "no"),
        ("over_speed_limit", "The limit is 30 km/h. At 24.6 km/h, no, it would not exceed the limit.", "no"),
        ("over_speed_limit", "The answer is **yes**.", "yes"),
        ("over_speed_limit", "It would exceed the speed limit.", "yes"),
        ("over_speed_limit", "It does not exceed the limit.", "no"),
        ("over_speed_limit", "It stays below the limit.", "no"),
        ("over_speed_limit", "At first one might say yes. So the answer is no.", "no"),
        ("keeping_pace", "Yes, easily.", "yes"),
        ("keeping_pace", "A tortoise could not keep pace with it.", "no"),
        ("keeping_pace", "It would be able to keep up.", "yes"),
        ("keeping_pace", "It would fall behind.", "no"),
        ("faster_team", "The home team.", "home"),
        ("faster_team", "The home team's player is slower than the away team's.", "away"),
        ("faster_team", "Blue has 14 km/h. The object marked by the red box is faster.", "home"),
        ("faster_team", "blue", "away"),
        ("faster_team", "The home team's player averages 14 km/h. The away team's player is faster.", "away"),
    ],
)
def test_choices(task, text, option):
    assert parse_answer(task, text, TEAM_QUESTION) == Choice(option)


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(list(REASONING_TASKS)), st.text(max_size=200))
def test_any_text_is_read_or_is_none(task, text):
    form = REASONING_TASKS[task]
    answer = parse_answer(task, text, TEAM_QUESTION)
    assert answer is None or isinstance(answer, form.answer)
