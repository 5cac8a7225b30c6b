"""Manifests: what is read back is what was written, and anything else is a sentence."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from st_vlm.bench.manifest import Manifest, Part, combined, load_manifest, question_hash, save_manifest
from st_vlm.errors import InputError

QUESTIONS = {"recording-0": {"a-0": "0123", "a-1": "4567"}, "recording-1": {"b-0": "89ab"}}
SMALL = Manifest(
    "small",
    1,
    (Part("simulated", 0, {"rig": "bench"}, QUESTIONS),),
    combined({question: digest for of in QUESTIONS.values() for question, digest in of.items()}),
)


def saved(path):
    save_manifest(SMALL, path)
    return json.loads(path.read_text())


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda text: text[:-20], "is not a manifest"),
        (lambda text: "[]", "is not a manifest"),
        (lambda text: text.replace('"parts"', '"part"'), "no 'parts'"),
        (lambda text: text.replace('"format": 1', '"format": 2'), "has format 2"),
        (lambda text: text.replace('"sha256": "', '"sha256": "0', 1), "does not match its own SHA-256"),
        (lambda text: text.replace('"seed": 0', '"seed": 1e999'), "is not a manifest"),
        (lambda text: text.replace('"seed": 0', '"seed": -1'), "is not a manifest"),
        (lambda text: text.replace('"0123"', '"\\ud800"'), "is not a manifest"),
        (lambda text: text.replace('"b-0"', '"a-0"'), "a question twice"),
    ],
)
def test_a_manifest_that_is_none_is_a_sentence(tmp_path, spoil, says):
    path = tmp_path / "manifest.json"
    text = json.dumps(saved(path))
    assert load_manifest(path) == SMALL
    spoiled = spoil(text)
    assert spoiled != text
    path.write_text(spoiled)
    with pytest.raises(InputError, match=says) as refusal:
        load_manifest(path)
    assert str(path) in str(refusal.value)


ANYTHING = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("\ud800")
PLACES = [
    ("format",),
    ("name",),
    ("version",),
    ("sha256",),
    ("parts",),
    ("parts", 0),
    ("parts", 0, "source"),
    ("parts", 0, "seed"),
    ("parts", 0, "options"),
    ("parts", 0, "questions"),
    ("parts", 0, "questions", "recording-0"),
    ("parts", 0, "questions", "recording-0", "a-0"),
]


@given(st.sampled_from(PLACES), ANYTHING | st.lists(ANYTHING, max_size=2) | st.dictionaries(st.text(), ANYTHING))
def test_whatever_stands_anywhere_it_is_read_or_refused(tmp_path_factory, place, value):
    path = tmp_path_factory.mktemp("manifest") / "manifest.json"
    content = inner = saved(path)
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    path.write_text(json.dumps(content))
    try:
        found = load_manifest(path)
    except InputError as error:
        sentence = str(error)
    else:
        sentence = f"{path} is a manifest."
        assert combined(found.hashes) == found.sha256
        assert all(isinstance(text, str) for text in (found.name, found.parts[0].source, *found.hashes.values()))
    assert str(path) in sentence


def test_a_missing_manifest_is_a_sentence(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.json cannot be read"):
        load_manifest(tmp_path / "nowhere.json")
    with pytest.raises(InputError, match="cannot be read"):
        load_manifest(tmp_path)


def test_a_source_stands_in_it_once(tmp_path):
    content = saved(tmp_path / "manifest.json")
    content["parts"].append(content["parts"][0] | {"questions": {"recording-2": {"c-0": "cdef"}}})
    hashes = {
        question: digest
        for part in content["parts"]
        for of in part["questions"].values()
        for question, digest in of.items()
    }
    (tmp_path / "manifest.json").write_text(json.dumps(content | {"sha256": combined(hashes)}))
    with pytest.raises(InputError, match="a source or a question twice"):
        load_manifest(tmp_path / "manifest.json")


def test_an_earlier_manifest_is_replaced_and_any_other_file_left_alone(tmp_path):
    saved(tmp_path / "manifest.json")
    assert saved(tmp_path / "manifest.json")["name"] == "small"
    for name, text in (("notes.txt", "by hand"), ("list.json", "[1]"), ("other.json", '{"format": 1}')):
        (tmp_path / name).write_text(text)
        with pytest.raises(InputError, match="exists already and is no manifest"):
            save_manifest(SMALL, tmp_path / name)
        assert (tmp_path / name).read_text() == text


def test_the_same_words_in_another_order_have_the_same_hash_and_floats_count_to_the_sixth_decimal():
    row = {"id": "a", "task": "traveled_distance", "target": {"value": 1.0, "unit": "m"}, "timestamps": [0.1 + 0.2]}
    turned = {"timestamps": [0.3], "target": {"unit": "m", "value": 1.0}, "task": "traveled_distance", "id": "a"}
    assert question_hash(row) == question_hash(turned)
    assert question_hash(row) != question_hash(row | {"timestamps": [0.300002]})
    assert combined({"a": "1", "b": "2"}) == combined({"b": "2", "a": "1"}) != combined({"a": "2", "b": "1"})
