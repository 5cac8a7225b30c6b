"""What a source's category means for us: a noun for the sentence, and whether it is a person.

Keys are the sources' own names, so a reader only passes them on.
"""

from __future__ import annotations

from functools import cache

# First match wins; a key ending in "." matches every name below it.
_NOUNS = {
    "human.pedestrian.wheelchair": "wheelchair",
    "human.pedestrian.stroller": "stroller",
    "human.pedestrian.personal_mobility": "personal mobility device",
    "human.pedestrian.": "pedestrian",
    "vehicle.car": "car",
    "vehicle.truck": "truck",
    "vehicle.bus.": "bus",
    "vehicle.trailer": "trailer",
    "vehicle.bicycle": "bicycle",
    "vehicle.motorcycle": "motorcycle",
    "vehicle.construction": "construction vehicle",
    "vehicle.emergency.": "emergency vehicle",
    "movable_object.trafficcone": "traffic cone",
    "movable_object.barrier": "barrier",
    "movable_object.": "object",
    "static_object.": "object",
    "PEDESTRIAN": "pedestrian",
    "OFFICIAL_SIGNALER": "pedestrian",
    "WHEELCHAIR": "wheelchair",
    "STROLLER": "stroller",
    "REGULAR_VEHICLE": "car",
    "LARGE_VEHICLE": "large vehicle",
    "VEHICULAR_TRAILER": "trailer",
    "BOX_TRUCK": "truck",
    "TRUCK_CAB": "truck",
    "TRUCK": "truck",
    "BUS": "bus",
    "SCHOOL_BUS": "bus",
    "ARTICULATED_BUS": "bus",
    "BICYCLIST": "cyclist",
    "BICYCLE": "bicycle",
    "MOTORCYCLIST": "motorcyclist",
    "MOTORCYCLE": "motorcycle",
    "WHEELED_RIDER": "rider",
    "WHEELED_DEVICE": "wheeled device",
    "toy.car": "toy car",
    "toy.truck": "toy truck",
    "vehicle": "vehicle",
    "bicycle": "bicycle",
    "pedestrian": "pedestrian",
    "traffic_cone": "traffic cone",
    "barrier": "barrier",
    "czone_sign": "sign",
    "generic_object": "object",
    "Person": "person",
    "Person_sitting": "person",
    "Misc": "object",
}
_PEOPLE = {"pedestrian", "person", "wheelchair", "stroller", "personal mobility device", "player"}


@cache
def noun(category: str) -> str:
    """A common noun for a source's category: `vehicle.car` is a "car". Unknown ones are their own last word."""
    for key, word in _NOUNS.items():
        if category == key or (key.endswith(".") and category.startswith(key)):
            return word
    return category.rsplit(".", 1)[-1].replace("_", " ").lower()


def is_person(category: str) -> bool:
    """Whether the static test's limits for people hold: someone on foot, or in or behind a small wheeled thing."""
    return noun(category) in _PEOPLE
