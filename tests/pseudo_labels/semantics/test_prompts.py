"""Classes as text: a phrase maps back to its class whatever words phrases share."""

import numpy as np
import pytest

from st_vlm.errors import InputError
from st_vlm.pseudo_labels.lifting.size_priors import size_prior
from st_vlm.pseudo_labels.semantics.grounding_dino import read_out
from st_vlm.pseudo_labels.semantics.prompts import DEFAULT_CLASSES, class_nouns, phrase_tokens, prompts
from st_vlm.recordings.categories import noun


def words_of(text):
    """Offsets as a tokenizer of whole words gives them, with a special token at each end."""
    offsets, start = [(0, 0)], 0
    for word in text.replace(".", " .").split():
        start = text.index(word, start)
        offsets.append((start, start + len(word)))
        start += len(word)
    return [*offsets, (0, 0)]


def test_each_class_is_in_one_text():
    texts = list(prompts(("person", "umbrella", "car", "dog"), 3))
    assert [text.text for text in texts] == [
        "a person. a pedestrian. an umbrella. a car. a van. a pickup truck.",
        "a dog.",
    ]


def test_words_that_phrases_share_stay_apart():
    [prompt] = prompts(("car", "truck", "sports ball"), 3)
    offsets = words_of(prompt.text)
    said = [
        (category, [prompt.text[slice(*offsets[k])] for k in its]) for category, its in phrase_tokens(prompt, offsets)
    ]
    assert said == [
        ("car", ["car"]),
        ("car", ["van"]),
        ("car", ["pickup", "truck"]),
        ("truck", ["truck"]),
        ("sports ball", ["sports", "ball"]),
        ("sports ball", ["ball"]),
    ]


def test_words_in_pieces_are_all_of_their_phrase():
    [prompt] = prompts(("motorcycle",), 1)
    # "motor", "##cycle" as a tokenizer of parts of words has them.
    offsets = [(0, 0), (0, 1), (2, 7), (7, 12), (12, 13), (14, 15), (16, 21), (22, 29), (29, 30), (0, 0)]
    assert phrase_tokens(prompt, offsets) == [("motorcycle", [2, 3]), ("motorcycle", [6, 7])]


def test_default_classes_are_nouns():
    assert class_nouns(DEFAULT_CLASSES) == DEFAULT_CLASSES
    assert all(noun(name) == name for name in DEFAULT_CLASSES)
    assert size_prior("bus").length > size_prior("car").length


def test_classes_as_users_write_them():
    assert class_nouns("person, Car ,car") == ("person", "car")
    assert class_nouns(["motorbike", "vehicle.car", " traffic  cone"]) == ("motorcycle", "car", "traffic cone")


@pytest.mark.parametrize("classes", [(), "", ["car", ""], ["cat? dog!"], ["x" * 80]])
def test_what_is_no_class(classes):
    with pytest.raises(InputError, match="class to look for"):
        class_nouns(classes)


# Two phrases of cars, one of trucks: tokens 1, 2-3 and 4 of six.
TOKENS = [("car", [1]), ("car", [2, 3]), ("truck", [4])]


def read(likely, boxes=None):
    boxes = np.full((len(likely), 4), 0.5) if boxes is None else boxes
    return read_out(np.array(likely, float), boxes, TOKENS, 0.3, 0.25, (200, 100))


def test_a_query_is_of_the_phrase_that_it_is_most_like():
    found = read([[0, 0.4, 0, 0, 0.5, 0], [0, 0.6, 0.9, 0.3, 0.5, 0], [0.9, 0.2, 0.2, 0.2, 0.2, 0.9]])
    assert found.categories.tolist() == ["car", "truck"]
    np.testing.assert_allclose(found.scores, [0.9, 0.5])


def test_all_words_of_a_phrase_must_be_meant():
    # "truck" of "pickup truck" alone is a pickup as little as a truck.
    assert len(read([[0, 0, 0.1, 0.9, 0.2, 0]])) == 0
    assert read([[0, 0, 0.3, 0.9, 0.2, 0]]).categories.tolist() == ["car"]


def test_boxes_in_pixels_and_inside_the_image():
    boxes = np.array([[0.5, 0.5, 0.2, 0.4], [0.95, 0.5, 0.2, 0.4], [0.5, 0.5, 0.0, 0.4], [np.nan, 0.5, 0.2, 0.4]])
    found = read([[0, 0.9, 0, 0, 0, 0], [0, 0.8, 0, 0, 0, 0], [0, 0.7, 0, 0, 0, 0], [0, 0.6, 0, 0, 0, 0]], boxes)
    np.testing.assert_allclose(found.boxes, [[80, 30, 120, 70], [170, 30, 200, 70]])


def test_scores_that_are_no_numbers_find_nothing():
    assert len(read(np.full((3, 6), np.nan))) == 0
