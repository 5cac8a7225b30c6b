"""Where the boxes of a clip lie: in one file, or in a folder laid out as the videos are."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from st_vlm.errors import InputError
from st_vlm.pseudo_labels.files import SEGMENTS_FILE
from st_vlm.pseudo_labels.frames import ClipFrames, confined

SEGMENTS = ".parquet"
BOXES = (".json", ".txt")
# A sequence of the MOT challenges: true boxes win over detections.
_MOT_FILES = ("gt/gt.txt", "det/det.txt")


def find_file(path: Path, frames: ClipFrames) -> Path:
    """The file with a clip's boxes.

    Args:
        path: A file, or a folder as `given.GivenSegments` describes it.
        frames: The clip.

    Raises:
        InputError: There is none, or one of an unknown kind.
    """
    if path.is_file():
        if path.suffix not in (SEGMENTS, *BOXES):
            raise InputError(f"{path} is no .parquet, .json or .txt file of boxes. Give one of these.")
        if path.suffix == SEGMENTS and not belongs(path, path, frames):
            raise InputError(
                f"{path} is of one clip, and not named as {frames.clip.id}. Give a folder of `<clip id>.parquet`."
            )
        return path
    for place in _places(frames):
        candidate = confined(path, place)
        if candidate.is_file() and (place != SEGMENTS_FILE or belongs(candidate, candidate, frames)):
            return candidate
    raise InputError(
        f"{path} holds no boxes of {frames.clip.video}. It must have one of {', '.join(_places(frames))}."
    )


def belongs(path: Path, given: Path, frames: ClipFrames) -> bool:
    """Whether a file is known to be of a clip's video: by its place, its name, or since there is but one video.

    Args:
        path: The file.
        given: What the user gave: the file itself or a folder that it was found in by its name.
        frames: The clip.
    """
    if given != path:
        return True
    video = PurePosixPath(frames.clip.video)
    folder = path.parent.parent.name if path.parent.name in ("gt", "det") else path.parent.name
    if {path.stem, folder} & {video.stem, frames.clip.id}:
        return True
    root = frames.path.parents[len(video.parts) - 1]
    return not any(other != frames.path for other in root.rglob(f"*{frames.path.suffix}"))


def _places(frames: ClipFrames) -> list[str]:
    clip = frames.clip
    stem = PurePosixPath(clip.video).with_suffix("").as_posix()
    own = [f"{clip.id}{SEGMENTS}", f"{clip.id}/{SEGMENTS_FILE}"]
    mirrored = [f"{stem}{suffix}" for suffix in (SEGMENTS, *BOXES)]
    return [*own, *mirrored, *(f"{stem}/{name}" for name in _MOT_FILES), SEGMENTS_FILE]
