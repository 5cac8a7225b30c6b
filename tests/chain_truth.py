"""Chains of reasoning once more, for tests: a calculator, the file of the table, raw tracks; no code of ours."""

import re
from fractions import Fraction
from pathlib import Path

import plain_truth
import yaml

import st_vlm.questions

TABLE = yaml.safe_load((Path(st_vlm.questions.__file__).parent / "knowledge" / "world.yaml").read_text("utf-8"))
NUMBER = r"\d[\d,]*(?:\.\d+)?"
EQUATION = re.compile(rf"((?:\(|{NUMBER})(?:[ ()×/+-]|{NUMBER})*) = (-?{NUMBER})")


def number(text):
    return Fraction(text.replace(",", ""))


def calculated(text):
    """Sums and differences of products and quotients, parentheses first, from left to right."""
    text = text.replace(",", "").replace("×", "*")
    while inner := re.search(r"\(([^()]*)\)", text):
        value = calculated(inner[1])
        assert value.denominator == 1
        text = f"{text[: inner.start()]}{value}{text[inner.end() :]}"
    tokens = re.findall(r"[\d.]+|[*/+-]", text)
    total, sign, term, how = Fraction(0), 1, None, "*"
    for token in tokens:
        if token in "*/":
            how = token
        elif token in "+-":
            total, sign, term, how = total + sign * term, 1 if token == "+" else -1, None, "*"
        else:
            value = Fraction(token)
            term = value if term is None else term * value if how == "*" else term / value
    return total + sign * term


def truth_of(filmed, row, known={}):  # noqa: B006
    """Metres of each asked object and the seconds, from the raw track, horizontally on the 0.5 s grid."""
    if row["id"] in known:
        return known[row["id"]]
    tracks = {one.id: one for one in filmed.tracks}
    found = []
    for k in row["asked"]["objects"]:
        one = tracks[row["marks"][k]["track_id"]]
        seconds = [float(t - row["start_ns"]) * 1e-9 for t in one.times_ns]
        places = [complex(x, y) for x, y, _ in one.centres]
        grid, path = plain_truth.on_grid(seconds, places, row["span"]["start"], row["span"]["end"])
        person = any(word in one.category for word in ("pedestrian", "player"))
        found.append(plain_truth.distance(grid, path, person))
    known[row["id"]] = found, row["span"]["end"] - row["span"]["start"]
    return known[row["id"]]


def facts_of(row):
    """Topic to value and name, as the table's file has them."""
    found = {}
    for given in row["reasoning"]["premises"]:
        topic, _, key = given["name"].partition("/")
        if topic != "supposed":
            entry = TABLE[topic][key]
            assert (given["value"], given["unit"], given["words"]) == (entry["value"], entry["unit"], entry["name"])
            found[topic] = entry
    assert row["reasoning"]["knowledge_version"] == TABLE["version"]
    return found
