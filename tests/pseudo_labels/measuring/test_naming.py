"""A phrase means what it says: the noun is the class, the colour is in the picture."""

import numpy as np
import pytest

from st_vlm.errors import InputError
from st_vlm.pseudo_labels.clip import Clip
from st_vlm.pseudo_labels.frames import ClipFrames
from st_vlm.pseudo_labels.measuring.naming import COLOURS, Phrase, meant, name_pixels, read_phrase
from st_vlm.pseudo_labels.segments import Segments
from st_vlm.video.encoding import write_video


@pytest.mark.parametrize(
    ("text", "noun", "colour"),
    [
        ("red car", "car", "red"),
        ("the silver car", "car", "grey"),
        ("Pedestrian", "person", None),
        ("a yellow sports ball", "sports ball", "yellow"),
        ("white van", "car", "white"),
    ],
)
def test_phrases(text, noun, colour):
    assert read_phrase(text) == Phrase(text, noun, colour)


@pytest.mark.parametrize("text", ["", "red", "the"])
def test_a_phrase_without_a_noun_is_refused(text):
    with pytest.raises(InputError, match="such as 'red car'"):
        read_phrase(text)


def test_colours_have_their_names():
    shades = {
        "red": [(200, 20, 30), (120, 10, 10)],
        "orange": [(250, 140, 20)],
        "brown": [(110, 65, 30)],
        "yellow": [(240, 220, 40)],
        "green": [(30, 140, 60)],
        "blue": [(30, 60, 200), (40, 90, 130)],
        "purple": [(150, 40, 190)],
        "white": [(240, 240, 235)],
        "grey": [(130, 130, 135)],
        "black": [(20, 20, 25), (40, 10, 10)],
    }
    for name, values in shades.items():
        found = name_pixels(np.array(values, np.uint8))
        assert [COLOURS[k] for k in found] == [name] * len(values)


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    """A red and a blue car and a person in grey, who stand before a green wall."""
    folder = tmp_path_factory.mktemp("street")
    image = np.full((120, 240, 3), (30, 120, 50), np.uint8)
    boxes = np.array([(10, 30, 70, 80), (90, 30, 150, 80), (190, 20, 220, 100)], float)
    for (x1, y1, x2, y2), colour in zip(
        boxes.astype(int), [(190, 20, 20), (30, 40, 190), (120, 120, 120)], strict=True
    ):
        image[y1:y2, x1:x2] = colour
        image[y1 : y1 + 10, x1:x2] = (15, 15, 15)
    write_video(folder / "a.mp4", [image] * 8, [0.5 * k for k in range(8)])
    clip = Clip("a", "a.mp4", tuple(range(8)), tuple(500_000_000 * k for k in range(8)), (240, 120), 0, 7)
    placed = np.tile(boxes[:, None], (1, 8, 1))
    segments = Segments(("car", "car", "person"), placed, np.ones((3, 8)), (240, 120), (240, 120))
    return segments, ClipFrames(clip, folder)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([], [True, True, True]),
        (["car"], [True, True, False]),
        (["red car"], [True, False, False]),
        (["the blue car", "pedestrian"], [False, True, True]),
    ],
)
def test_what_a_phrase_means(street, texts, expected):
    assert meant([read_phrase(text) for text in texts], *street).tolist() == expected


@pytest.mark.parametrize(
    ("text", "found"), [("bus", "2 car, 1 person"), ("yellow car", "1 red car, 1 blue car, 1 grey person")]
)
def test_what_is_not_there_is_refused_with_what_is(street, text, found):
    with pytest.raises(InputError, match=f"No {text} was found. Found: {found}"):
        meant([read_phrase(text)], *street)
