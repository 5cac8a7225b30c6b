"""The table of world knowledge against the globe and units, and tables that are refused."""

import math

import pytest
import yaml

from st_vlm.errors import InputError
from st_vlm.questions.knowledge import TOPICS, load_knowledge, parse_knowledge

# Latitude and longitude of city centres, degrees.
CITIES = {
    "New York": (40.7128, -74.0060),
    "Los Angeles": (34.0522, -118.2437),
    "Amsterdam": (52.3676, 4.9041),
    "Rotterdam": (51.9244, 4.4777),
    "Vienna": (48.2082, 16.3738),
    "Bratislava": (48.1486, 17.1077),
    "Helsinki": (60.1699, 24.9384),
    "Tallinn": (59.4370, 24.7536),
    "Berlin": (52.52, 13.405),
    "Hamburg": (53.5511, 9.9937),
    "Boston": (42.3601, -71.0589),
    "Singapore": (1.3521, 103.8198),
    "Kuala Lumpur": (3.139, 101.6869),
    "Seoul": (37.5665, 126.978),
    "Busan": (35.1796, 129.0756),
    "London": (51.5074, -0.1278),
    "Paris": (48.8566, 2.3522),
    "Istanbul": (41.0082, 28.9784),
    "Ankara": (39.9334, 32.8597),
    "Tokyo": (35.6762, 139.6503),
    "Osaka": (34.6937, 135.5023),
    "Oslo": (59.9139, 10.7522),
    "Stockholm": (59.3293, 18.0686),
    "Rome": (41.9028, 12.4964),
    "Milan": (45.4642, 9.19),
    "Toronto": (43.6532, -79.3832),
    "Montreal": (45.5019, -73.5674),
    "Madrid": (40.4168, -3.7038),
    "Barcelona": (41.3874, 2.1686),
    "San Francisco": (37.7749, -122.4194),
    "Sydney": (-33.8688, 151.2093),
    "Melbourne": (-37.8136, 144.9631),
    "Beijing": (39.9042, 116.4074),
    "Shanghai": (31.2304, 121.4737),
    "Buenos Aires": (-34.6037, -58.3816),
    "Santiago": (-33.4489, -70.6693),
    "Delhi": (28.6139, 77.209),
    "Mumbai": (19.076, 72.8777),
    "Chicago": (41.8781, -87.6298),
    "Houston": (29.7604, -95.3698),
    "Athens": (37.9838, 23.7275),
    "Lisbon": (38.7223, -9.1393),
    "Warsaw": (52.2297, 21.0122),
    "Lagos": (6.5244, 3.3792),
    "Nairobi": (-1.2921, 36.8219),
    "Moscow": (55.7558, 37.6173),
    "Vladivostok": (43.1155, 131.8855),
    "Cairo": (30.0444, 31.2357),
    "Cape Town": (-33.9249, 18.4241),
    "Rio de Janeiro": (-22.9068, -43.1729),
}


def on_the_globe(city):
    north, east = map(math.radians, CITIES[city])
    return math.cos(north) * math.cos(east), math.cos(north) * math.sin(east), math.sin(north)


def test_city_distances_are_those_on_the_globe():
    """By the angle between the directions from the Earth's centre."""
    entries = load_knowledge().entries("city_distances")
    for entry in entries:
        one, two = map(on_the_globe, entry.name.split(" and "))
        assert entry.value == pytest.approx(6371 * 2 * math.asin(math.dist(one, two) / 2), abs=1), entry
    assert len(entries) >= 20
    assert max(e.value for e in entries) > 100 * min(e.value for e in entries)


def test_well_known_values():
    knowledge = load_knowledge()
    for topic, key, value in (
        ("race_lengths", "marathon", 42.195),
        ("race_lengths", "indianapolis", 500 * 1.609344),
        ("lap_lengths", "athletics", 400),
        ("durations", "football", 90),
        ("typical_speeds", "airliner", 900),
        ("speed_limits", "germany_town", 50),
    ):
        assert knowledge.entry(topic, key).value == value
    assert knowledge.version == 1
    for topic, unit in TOPICS.items():
        assert {entry.unit for entry in knowledge.entries(topic)} == {unit}


def table(**changes) -> str:
    """A small table that is in order, but for what is changed."""
    key = {"city_distances": "new_york_los_angeles", "typical_speeds": "airliner", "reaction_times": "driver"}
    found = {"version": 3}
    for topic, unit in TOPICS.items():
        found[topic] = {key.get(topic, "one"): {"name": "a thing", "value": 2, "unit": unit, "source": "a book"}}
    for path, value in changes.items():
        *within, last = path.split("__")
        place = found
        for name in within:
            place = place[name]
        if value is None:
            del place[last]
        else:
            place[last] = value
    return yaml.safe_dump(found)


def test_a_small_table_is_read():
    knowledge = parse_knowledge(table(), "own.yaml")
    assert knowledge.version == 3
    assert knowledge.entry("typical_speeds", "airliner").value == 2.0
    with pytest.raises(InputError, match=r"^own\.yaml: masses has no entry car"):
        knowledge.entry("masses", "car")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"typical_speeds__airliner": None, "typical_speeds__swan": {}}, r"typical_speeds, swan: an entry has name"),
        (
            {"reaction_times": {"x": dict(name="a", value=1, unit="s", source="b")}},
            "reaction_times has no entry driver",
        ),
        ({"masses": None}, "the topic masses is missing"),
        ({"masses": {}}, "the topic masses is missing"),
        ({"weights": {}}, "unknown topic 'weights'"),
        ({"version": None}, "version must be"),
        ({"version": "one"}, "version must be"),
        ({"version": 0}, "version must be"),
        ({"masses__one__unit": "g"}, r"masses, one: the unit of masses is kg, not 'g'"),
        ({"masses__one__value": "heavy"}, r"masses, one: value must be a positive number, not 'heavy'"),
        ({"masses__one__value": 0}, "masses, one: value must be a positive number"),
        ({"masses__one__value": float("nan")}, "masses, one: value must be a positive number"),
        ({"masses__one__value": True}, "masses, one: value must be a positive number"),
        ({"masses__one__source": " "}, "masses, one: source must be words"),
        ({"masses__one__name": 7}, "masses, one: name must be words"),
        ({"masses__one__source": None}, "masses, one: an entry has name, value, unit, source"),
        ({"masses__one__colour": "red"}, "masses, one: an entry has name, value, unit, source"),
        ({"masses__one": 1500}, "masses, one: an entry has name"),
    ],
)
def test_bad_tables_are_refused_with_file_and_entry(changes, says):
    with pytest.raises(InputError, match=rf"^own\.yaml[:,] {says}"):
        parse_knowledge(table(**changes), "own.yaml")


@pytest.mark.parametrize("text", ["", "- a", "version: [", "version: 1\nversion: 2", "a: \x00"])
def test_what_is_no_table_is_refused(text):
    with pytest.raises(InputError, match=r"^own\.yaml"):
        parse_knowledge(text, "own.yaml")
