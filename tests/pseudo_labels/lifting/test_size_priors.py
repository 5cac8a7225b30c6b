"""Usual sizes: everything that a detector may find has one of its own."""

import pytest

from st_vlm.pseudo_labels.lifting.size_priors import size_prior
from st_vlm.pseudo_labels.semantics.coco_classes import COCO_NAMES, class_noun, moves

_UNKNOWN = size_prior("teapot")
# Things that rarely move by themselves, and wild animals: their prior is the loose one.
_LOOSE = {
    "bird",
    "elephant",
    "bear",
    "zebra",
    "giraffe",
    "frisbee",
    "skis",
    "snowboard",
    "kite",
    "skateboard",
    "surfboard",
}


def test_what_a_detector_finds_has_a_size_of_its_own():
    found = {class_noun(name) for name in COCO_NAMES if moves(class_noun(name))} - _LOOSE
    assert {"car", "person", "sports ball", "dog"} <= found
    assert [noun for noun in sorted(found) if size_prior(noun) == _UNKNOWN] == []


@pytest.mark.parametrize(
    ("noun", "longest"), [("sports ball", 0.4), ("dog", 1.3), ("person", 1.0), ("car", 6.0), ("bus", 15.0)]
)
def test_sizes_are_those_of_such_things(noun, longest):
    prior = size_prior(noun)
    assert prior.length * (1 + 2 * prior.spread) <= longest
    assert min(prior.length, prior.width, prior.height) > 0


def test_riders_are_as_large_as_what_they_ride():
    assert size_prior("cyclist") == size_prior("rider") == size_prior("bicycle")
