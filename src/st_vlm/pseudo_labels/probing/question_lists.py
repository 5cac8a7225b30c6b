"""What the question lists of LLaVA-Video-178K say of their videos: which things that can be measured they speak of."""

from __future__ import annotations

import json
import re
from pathlib import Path

from st_vlm.errors import InputError

# Words of captions and questions, and the noun that a detector is asked for. The singular of each is enough.
_WORDS = {
    "person": "person", "people": "person", "man": "person", "men": "person", "woman": "person", "women": "person",
    "child": "person", "children": "person", "boy": "person", "girl": "person", "player": "person",
    "car": "car", "truck": "truck", "bus": "bus", "buses": "bus", "van": "car", "taxi": "car",
    "bicycle": "bicycle", "bike": "bicycle", "cyclist": "bicycle", "motorcycle": "motorcycle",
    "motorbike": "motorcycle", "dog": "dog", "cat": "cat", "horse": "horse", "ball": "ball",
}  # fmt: skip
_ANY = re.compile(r"\b(" + "|".join(_WORDS) + r")s?\b", re.IGNORECASE)


def named_categories(folder: Path) -> dict[str, tuple[str, ...]]:
    """Nouns that the lists in a folder use of each video.

    Args:
        folder: Of one source, such as `0_30_s_academic_v0_1`. Each of its `*.json` holds a list of objects with
            `video`, a path relative to the folder, and `conversations`, a list of objects with `value`.

    Returns:
        A video's path with `/` to its nouns, in the order of the alphabet.

    Raises:
        InputError: A file there is no such list.
    """
    found: dict[str, set[str]] = {}
    for path in sorted(folder.glob("*.json")):
        try:
            entries = json.loads(path.read_text(encoding="utf-8"))
            for entry in entries:
                text = " ".join(str(turn["value"]) for turn in entry["conversations"])
                nouns = {_WORDS[word.lower()] for word in _ANY.findall(text)}
                found.setdefault(str(entry["video"]), set()).update(nouns)
        except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
            reason = f"no {error}" if isinstance(error, KeyError) else error
            raise InputError(
                f"{path} is no list of questions on videos ({reason}). Copy it again, or remove it."
            ) from None
    return {video: tuple(sorted(nouns)) for video, nouns in found.items()}
