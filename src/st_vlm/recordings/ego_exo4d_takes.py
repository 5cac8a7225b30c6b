"""What Ego-Exo4D's takes.json and splits.json say of a take."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from st_vlm.errors import InputError
from st_vlm.recordings.source import Split
from st_vlm.recordings.tables import is_file, load_json

SPLITS: dict[str, Split] = {"train": "train", "val": "validation", "test": "test"}
# The videos of GoPros have one stream, named so.
STREAM = "0"
_AGAIN = "Download it again."


@dataclass(frozen=True)
class Take:
    """What `takes.json` says of a take, checked.

    Attributes:
        folder: `takes/{take_name}`, relative to the root, as the file names it.
        capture: Name of the capture that it is a part of.
        aria: Name of the glasses, such as `aria01`.
        egos: Every camera that is worn.
        rows: First row of the take in `timesync.csv`, and the one after the last.
        videos: Camera to the path of its video, relative to `folder`.
    """

    folder: str
    capture: str
    aria: str
    egos: frozenset[str]
    rows: tuple[int, int]
    videos: dict[str, str]


def _read_json(path: Path):
    return load_json(path, "Give the folder that holds takes.json, takes/ and captures/.", _AGAIN)


def read_takes(path: Path) -> dict[str, list[dict]]:
    """The entries of `takes.json` by `take_name`. A name that comes twice has two: only who asks for it is stopped.

    Raises:
        InputError: The file is missing, is not JSON, or is not a list of named takes.
    """
    entries = _read_json(path)
    if not isinstance(entries, list):
        raise InputError(f"{path} is not a list of takes. {_AGAIN}")
    takes: dict[str, list[dict]] = {}
    for number, entry in enumerate(entries):
        name = entry.get("take_name") if isinstance(entry, dict) else None
        if not isinstance(name, str) or not name:
            raise InputError(f"{path}: entry {number} has no take_name. {_AGAIN}")
        takes.setdefault(name, []).append(entry)
    return takes


def read_splits(root: Path) -> dict[str, Split]:
    """`take_uid` to split, from `annotations/splits.json` or `splits.json`; empty where there is neither.

    Raises:
        InputError: The file is not JSON, or is not a table of take_uid and train, val or test.
    """
    for path in (root / "annotations" / "splits.json", root / "splits.json"):
        if not is_file(path):
            continue
        content = _read_json(path)
        table = content.get("take_uid_to_split") if isinstance(content, dict) else None
        if not isinstance(table, dict):
            raise InputError(f"{path} has no table take_uid_to_split. {_AGAIN}")
        for uid, split in table.items():
            if not isinstance(split, str) or split not in SPLITS:
                raise InputError(f"{path}: the split of {uid} is {split!r}, not train, val or test. {_AGAIN}")
        return {uid: SPLITS[split] for uid, split in table.items()}
    return {}


def sport_of(entry: dict) -> str | None:
    """The activity of an entry of `takes.json`, such as `Soccer`; None where it names none."""
    for key in ("parent_task_name", "task_name"):
        if isinstance(entry.get(key), str):
            return entry[key]
    return None


def names_of_sports(asked: object) -> set[str]:
    """The activities that somebody asks for, one or several, without capitals.

    Raises:
        InputError: That is no name, and no list of names.
    """
    names = [asked] if isinstance(asked, str) else asked
    listed = isinstance(names, list | tuple | set | frozenset) and len(names) > 0
    if not listed or not all(isinstance(name, str) and name for name in names):
        raise InputError(f"The option sports of Ego-Exo4D must be one activity or a list of them, not {asked!r}.")
    return {name.casefold() for name in names}


def checked_take(table: Path, entry: dict) -> Take:
    """One entry of `takes.json` as a `Take`.

    Raises:
        InputError: A field is missing or of another kind, or there are no Aria glasses, or several.
    """
    name = entry["take_name"]

    def refuse(what: str) -> InputError:
        return InputError(f"{table}: the take {name} has no usable {what}. Download it again.")

    capture = entry.get("capture")
    if not isinstance(capture, dict) or not isinstance(capture.get("capture_name"), str):
        raise refuse("capture")
    cameras = capture.get("cameras")
    if not isinstance(cameras, list) or not all(
        isinstance(c, dict) and isinstance(c.get("cam_id"), str) for c in cameras
    ):
        raise refuse("list of cameras in its capture")
    egos = frozenset(c["cam_id"] for c in cameras if c.get("is_ego"))
    arias = sorted(camera for camera in egos if camera.startswith("aria"))
    if len(arias) != 1:
        raise InputError(f"{table}: the take {name} has {len(arias) or 'no'} Aria glasses, not one. Leave it out.")
    rows = entry.get("timesync_start_idx"), entry.get("timesync_end_idx")
    if not all(isinstance(row, int) and not isinstance(row, bool) for row in rows):
        raise refuse("timesync_start_idx and timesync_end_idx")
    folder, streams = entry.get("root_dir", f"takes/{name}"), entry.get("frame_aligned_videos", {})
    if not isinstance(folder, str):
        raise refuse("root_dir")
    if not isinstance(streams, dict):
        raise refuse("frame_aligned_videos")
    videos = {}
    for camera, by_stream in streams.items():
        video = by_stream.get(STREAM) if isinstance(by_stream, dict) else None
        # Some have a null for a path: a montage that was not made.
        if isinstance(video, dict) and isinstance(video.get("relative_path"), str):
            videos[camera] = video["relative_path"]
    return Take(folder, capture["capture_name"], arias[0], egos, rows, videos)
