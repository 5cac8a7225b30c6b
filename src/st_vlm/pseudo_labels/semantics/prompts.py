"""Classes as text for a detector that reads: one phrase a thing, and which class each phrase stands for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from st_vlm.errors import InputError
from st_vlm.pseudo_labels.semantics.coco_classes import class_noun

DEFAULT_CLASSES = ("person", "bicycle", "motorcycle", "car", "bus", "truck", "dog", "horse", "sports ball")
# What one class is looked for as. A van is as long as a car, and so is what is called a pickup truck.
_PHRASES = {
    "person": ("person", "pedestrian"),
    "pedestrian": ("pedestrian", "person"),
    "motorcycle": ("motorcycle", "motor scooter"),
    "car": ("car", "van", "pickup truck"),
    "sports ball": ("sports ball", "ball"),
}
_LONGEST_NAME = 60


@dataclass(frozen=True)
class Prompt:
    """A text of phrases, each ended by a full stop, which keeps Grounding DINO from mixing them.

    Attributes:
        text: In lower case.
        phrases: (first, behind last, class) of each phrase without its article: characters of `text`, and a noun.
    """

    text: str
    phrases: tuple[tuple[int, int, str], ...]


def class_nouns(classes: Sequence[str]) -> tuple[str, ...]:
    """The classes that a user names, as nouns, each once.

    Raises:
        InputError: There is none, or one that is no name.
    """
    if isinstance(classes, str):
        classes = classes.split(",")
    nouns = tuple(dict.fromkeys(class_noun(name) for name in classes))
    for name in nouns:
        if not (name and len(name) <= _LONGEST_NAME and all(c.isalnum() or c in " -'" for c in name)):
            raise InputError(f"{name!r} is no class to look for. Give short nouns such as 'car' or 'traffic cone'.")
    if not nouns:
        raise InputError("There is no class to look for. Give one or more, such as 'car'.")
    return nouns


def phrases_of(category: str) -> tuple[str, ...]:
    """What a class is looked for as, its own name first."""
    return _PHRASES.get(category, (category,))


def prompts(classes: Sequence[str], at_once: int) -> Iterator[Prompt]:
    """Texts for all of the classes.

    Args:
        classes: Nouns.
        at_once: Classes in one text. Alone, a class is found where another one is; together, they are told apart.
    """
    for first in range(0, len(classes), at_once):
        text, places = "", []
        for category in classes[first : first + at_once]:
            for phrase in phrases_of(category):
                text += f"{'an' if phrase[0] in 'aeiou' else 'a'} "
                places.append((len(text), len(text) + len(phrase), category))
                text += f"{phrase}. "
        yield Prompt(text.rstrip(), tuple(places))


def phrase_tokens(prompt: Prompt, offsets: Sequence[tuple[int, int]]) -> list[tuple[str, list[int]]]:
    """The class and the numbers of the tokens of each of a prompt's phrases.

    Words that a detector gives back can be parts of several phrases, or of none ("truck" of "pickup truck"): places
    in the text cannot.

    Args:
        prompt: The prompt.
        offsets: First character and the one behind the last of each token; both 0 for special ones.
    """
    return [
        (category, [k for k, (start, stop) in enumerate(offsets) if first <= start < stop <= behind])
        for first, behind, category in prompt.phrases
    ]
