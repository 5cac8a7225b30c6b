"""World knowledge that questions take for granted: a table of distances, speeds, limits and the like, with a version.

`knowledge/world.yaml` has a `version` (a whole number, raised with every change of a value) and, for each of `TOPICS`,
a mapping from an entry's lasting name to

    name: what a sentence calls it
    value, unit: a positive number in the topic's unit
    source: where the value comes from, in words

Rows keep the version and the facts they were made with, so that a later table does not change them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import yaml

from st_vlm.errors import InputError

TABLE = "world.yaml"
# Each topic's unit.
TOPICS = {
    "city_distances": "km",
    "typical_speeds": "km/h",
    "speed_limits": "km/h",
    "race_lengths": "km",
    "lap_lengths": "m",
    "durations": "min",
    "decelerations": "m/s^2",
    "reaction_times": "s",
    "masses": "kg",
}
# Entries without which a task cannot be asked at all.
NEEDED = {"reaction_times": ("driver",), "typical_speeds": ("airliner",), "city_distances": ("new_york_los_angeles",)}
_FIELDS = ("name", "value", "unit", "source")


@dataclass(frozen=True)
class Entry:
    """A fact: `name` as a sentence says it, `value` in `unit`, and its `source` in words."""

    key: str
    name: str
    value: float
    unit: str
    source: str


@dataclass(frozen=True)
class Knowledge:
    """The whole table.

    Attributes:
        version: Of the table.
        topics: Topic to key to entry.
        file_name: Where it was read, for sentences.
    """

    version: int
    topics: Mapping[str, Mapping[str, Entry]]
    file_name: str

    def entries(self, topic: str) -> tuple[Entry, ...]:
        """All entries of one of `TOPICS`, in the table's order; at least one."""
        return tuple(self.topics[topic].values())

    def entry(self, topic: str, key: str) -> Entry:
        """One entry.

        Raises:
            InputError: There is none.
        """
        if key not in self.topics[topic]:
            raise InputError(f"{self.file_name}: {topic} has no entry {key}; add it with {', '.join(_FIELDS)}.")
        return self.topics[topic][key]

    def has(self, topic: str, key: str) -> bool:
        """Whether there is such an entry."""
        return key in self.topics[topic]


@cache
def load_knowledge() -> Knowledge:
    """The package's table.

    Raises:
        InputError: As `parse_knowledge`.
    """
    text = (files("st_vlm.questions") / "knowledge" / TABLE).read_text(encoding="utf-8")
    return parse_knowledge(text, TABLE)


def parse_knowledge(text: str, file_name: str) -> Knowledge:
    """A table's text, checked entry by entry.

    Raises:
        InputError: Not YAML; no whole version from 1; a topic that is missing, unknown or empty; an entry of `NEEDED`
            that is missing; an entry without a name, a positive number, its topic's unit or a source, or with more
            than these. The sentence names the file and the entry.
    """
    try:
        table = yaml.load(text, Loader=_NoRepeats)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = "" if mark is None else f", line {mark.line + 1}"
        raise InputError(f"{file_name}{where}: not YAML ({error.problem}).") from None
    except yaml.YAMLError as error:
        raise InputError(f"{file_name}: not YAML ({str(error).splitlines()[0]}).") from None
    if not isinstance(table, dict):
        raise InputError(f"{file_name}: expected version and topics: {', '.join(TOPICS)}.")
    version = table.pop("version", None)
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise InputError(f"{file_name}: version must be a whole number from 1, not {version!r}.")
    if unknown := [name for name in table if name not in TOPICS]:
        raise InputError(f"{file_name}: unknown topic {unknown[0]!r}; there are {', '.join(TOPICS)}.")
    topics = {topic: _topic(table.get(topic), topic, file_name) for topic in TOPICS}
    knowledge = Knowledge(version, topics, file_name)
    for topic, keys in NEEDED.items():
        for key in keys:
            knowledge.entry(topic, key)
    return knowledge


def _topic(found: object, topic: str, file_name: str) -> dict[str, Entry]:
    if not isinstance(found, dict) or not found:
        raise InputError(f"{file_name}: the topic {topic} is missing or has no entries; add some in {TOPICS[topic]}.")
    return {str(key): _entry(entry, topic, str(key), file_name) for key, entry in found.items()}


def _entry(found: object, topic: str, key: str, file_name: str) -> Entry:
    where, unit = f"{file_name}, {topic}, {key}", TOPICS[topic]
    if not isinstance(found, dict) or set(found) != set(_FIELDS):
        fields = sorted(map(str, found)) if isinstance(found, dict) else found
        raise InputError(f"{where}: an entry has {', '.join(_FIELDS)} and nothing else, not {fields}.")
    value = found["value"]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value <= 0:
        raise InputError(f"{where}: value must be a positive number, not {value!r}.")
    if found["unit"] != unit:
        raise InputError(f"{where}: the unit of {topic} is {unit}, not {found['unit']!r}; convert the value.")
    for field in ("name", "source"):
        if not isinstance(found[field], str) or not found[field].strip():
            raise InputError(f"{where}: {field} must be words, not {found[field]!r}.")
    return Entry(key, found["name"], float(value), unit, found["source"])


class _NoRepeats(yaml.SafeLoader):
    """YAML whose mappings may not name a key twice: the first of two values would be lost without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value} stands twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)
