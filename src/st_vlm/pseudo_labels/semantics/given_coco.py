"""Boxes and masks in COCO's JSON: images or videos of any release that follows its layout.

Three layouts are read. Images with a number of their frame (`frame_id`, `frame_index`, `frame_number`, else the digits
at the end of `file_name`), alone or with `videos` that they belong to (COCO-VID); objects are told apart by `track_id`
or `instance_id`. And annotations that hold a whole video's `bboxes` and `segmentations` (YouTube-VIS).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from st_vlm.errors import InputError
from st_vlm.pseudo_labels.semantics.coco_classes import class_noun
from st_vlm.pseudo_labels.semantics.given_rows import GivenRows, from_zero

_FRAME_KEYS = ("frame_id", "frame_index", "frame_number")
_OBJECT_KEYS = ("track_id", "instance_id")
# Folders that hold a video's images below the folder of its name.
_IMAGE_FOLDERS = {"img1", "images", "image", "frames", "rgb"}


class CocoFile:
    """A JSON file of boxes of one or many videos, read once.

    Raises:
        InputError: The file cannot be read, or is not laid out as COCO's.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            data = json.loads(path.read_bytes())
        except (OSError, ValueError, RecursionError) as error:
            raise InputError(f"{path} cannot be read as JSON ({error}).") from None
        lists = {} if not isinstance(data, dict) else {name: data.get(name) or [] for name in _LISTS}
        if not lists or "annotations" not in data or not all(_is_table(value) for value in lists.values()):
            raise InputError(
                f"{path} is not laid out as COCO's: an object with lists of objects `annotations`, `categories`, and "
                "`images` or `videos`. Convert it."
            )
        with _wanted(path):
            self._nouns = {row["id"]: class_noun(str(row["name"])) for row in lists["categories"]}
            self._by_video = bool(lists["videos"]) and any(
                "bboxes" in row or "segmentations" in row for row in lists["annotations"]
            )
            self._videos = _groups(lists["videos"], lists["images"])
            self._annotations: dict[object, list[Mapping]] = {}
            owner = "video_id" if self._by_video else "image_id"
            for row in lists["annotations"]:
                self._annotations.setdefault(row[owner], []).append(row)

    def rows(self, video: str, length: int, its_own: bool) -> GivenRows:
        """The boxes of one video; without those of crowds, and those marked to be ignored.

        Args:
            video: Path of the video within its folder.
            length: How many frames it has.
            its_own: Whether the file is known to belong to this video, so that a name in it need not be the video's.

        Raises:
            InputError: The file names other videos; something is missing in it; or it tells of frames that the video
                does not have.
        """
        with _wanted(self.path):
            entry, images = self._videos[self._chosen(video, its_own)]
            result = GivenRows()
            if self._by_video:
                self._add_video(result, entry, length)
            else:
                self._add_images(result, images, length)
            return result

    def _chosen(self, video: str, its_own: bool) -> str:
        whole = PurePosixPath(video).with_suffix("")
        named = {name: _without_image_folder(name) for name in self._videos}
        for alike in (
            [name for name, path in named.items() if whole in (path, path.parent / path.stem)],
            [name for name, path in named.items() if whole.name in (path.name, path.stem)],
            list(named) if its_own else [],
        ):
            if len(alike) == 1:
                return alike[0]
        some = ", ".join(list(named)[:3]) or "none"
        raise InputError(f"{self.path} names no video {video} (but {some}). Name its videos as the files are named.")

    def _add_images(self, result: GivenRows, images: list[Mapping], length: int) -> None:
        frames = from_zero(_stated(images, str(self.path)), length, str(self.path))
        for image, frame in zip(images, frames, strict=True):
            for row in self._annotations.get(image["id"], ()):
                if row.get("iscrowd") or row.get("ignore"):
                    continue
                noun, outline = self._nouns[row["category_id"]], row.get("segmentation") or None
                box = row.get("bbox") or _around(outline)
                result.add(_object(row), frame, box, noun, row.get("score", 1.0), outline, _size(image))

    def _add_video(self, result: GivenRows, entry: Mapping, length: int) -> None:
        names = entry.get("file_names") or []
        count = len(names) or int(entry["length"])
        stated = list(range(count)) if count == length or not names else [_digits(name) for name in names]
        if None in stated:
            raise InputError(f"{self.path}: {names[stated.index(None)]} has no number of a frame in its name.")
        frames = from_zero(stated, length, str(self.path))
        for row in self._annotations.get(entry["id"], ()):
            if row.get("iscrowd") or row.get("ignore"):
                continue
            boxes, outlines = (row.get(name) or [None] * count for name in ("bboxes", "segmentations"))
            if len(boxes) != count or len(outlines) != count:
                raise InputError(f"{self.path}: object {row['id']} has no entry for each of {count} frames.")
            if not isinstance(row["id"], (int, str)):
                raise TypeError(f"an annotation's id is {row['id']!r}")
            for frame, box, outline in zip(frames, boxes, outlines, strict=True):
                if box or outline:
                    noun, score = self._nouns[row["category_id"]], row.get("score", 1.0)
                    result.add(row["id"], frame, box or _around(outline), noun, score, outline or None, _size(entry))


_LISTS = ("annotations", "categories", "images", "videos")


class _wanted:
    """Turns what a malformed file raises within a `with` into a sentence."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind, error, traceback) -> None:
        if isinstance(error, KeyError):
            raise InputError(f"{self.path} lacks {error.args[0]!r}, which COCO's layout has. Restore it.") from None
        if isinstance(error, (TypeError, ValueError, AttributeError, IndexError, OverflowError)):
            raise InputError(f"{self.path} is not laid out as COCO's ({error}). Convert it.") from None


def _is_table(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(row, dict) for row in value)


def _groups(videos: list[Mapping], images: list[Mapping]) -> dict[str, tuple[Mapping, list[Mapping]]]:
    """Names of videos to their entries and images. Without entries, images of one folder are a video."""
    result: dict[str, tuple[Mapping, list[Mapping]]] = {}
    if videos:
        owned: dict[object, list[Mapping]] = {}
        for image in images:
            owned.setdefault(image.get("video_id"), []).append(image)
        for entry in videos:
            name = entry.get("name") or entry.get("file_name")
            name = str(name or _folder((entry.get("file_names") or [""])[0]))
            name = name if name not in result else f"{name} ({entry['id']})"
            result[name] = (entry, owned.get(entry["id"], []))
        return result
    for image in images:
        result.setdefault(_folder(image.get("file_name", "")), ({}, []))[1].append(image)
    return result


def _folder(file_name: str) -> str:
    return PurePosixPath(str(file_name).replace("\\", "/")).parent.as_posix()


def _without_image_folder(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    return path.parent if path.name.lower() in _IMAGE_FOLDERS else path


def _stated(images: list[Mapping], whose: str) -> list[int]:
    """The numbers of frames that images state."""
    for key in _FRAME_KEYS:
        if images and all(type(image.get(key)) is int for image in images):
            return [image[key] for image in images]
    stated = [_digits(image.get("file_name", "")) for image in images]
    if None in stated or len(set(stated)) < len(stated):
        raise InputError(f"{whose}: neither `frame_id` nor the names of images tell which frame each image is.")
    return stated


def _digits(file_name: object) -> int | None:
    found = re.search(r"(\d{1,9})$", PurePosixPath(str(file_name).replace("\\", "/")).stem)
    return int(found[1]) if found else None


def _object(row: Mapping) -> object:
    attributes = row.get("attributes")
    for holder in (row, attributes if isinstance(attributes, dict) else {}):
        for key in _OBJECT_KEYS:
            if isinstance(holder.get(key), (int, str)) and holder[key] != -1:
                return holder[key]
    return None


def _size(entry: Mapping) -> tuple[int, int] | None:
    if entry.get("width") is None or entry.get("height") is None:
        return None
    return int(entry["width"]), int(entry["height"])


def _around(outline: object) -> list[float] | None:
    """x, y, width, height around polygons; None for run lengths, which are looked at with the masks."""
    if not isinstance(outline, list):
        return None
    x = [value for polygon in outline for value in polygon[0::2]]
    y = [value for polygon in outline for value in polygon[1::2]]
    return [min(x), min(y), max(x) - min(x), max(y) - min(y)] if x and y else None
