"""The stage `probe`: a video to its clips, and to sentences on what is left out of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from st_vlm.errors import InputError
from st_vlm.pseudo_labels.clip import Clip
from st_vlm.pseudo_labels.dropped import Dropped
from st_vlm.pseudo_labels.frames import confined, probed
from st_vlm.pseudo_labels.probing.checks import is_frozen
from st_vlm.pseudo_labels.probing.cutting import LEAST_SECONDS, cut_shot, lasts
from st_vlm.pseudo_labels.probing.finding import VideoFile
from st_vlm.pseudo_labels.probing.looking import Looks, look_through
from st_vlm.pseudo_labels.probing.shots import find_shots
from st_vlm.questions.clips import file_name

STAGE = "probe"
# Of the side of an image, up to which a lens may look past its middle.
_MOST_OFF_CENTRE = 0.25


def probe_and_cut(
    video: VideoFile,
    videos: Path,
    *,
    intrinsics: np.ndarray | Sequence[float] | None = None,
    camera_height: float | None = None,
    max_clips: int | None = None,
    max_seconds: float | None = None,
) -> tuple[list[Clip], list[Dropped]]:
    """Look through a video once, and cut it into clips of 3 to 19.5 s that have no cut, fade or black in them.

    A video that cannot be used is no error: it gives no clips, and a sentence.

    Args:
        video: As `find_videos` returned it.
        videos: The folder that its path is relative to.
        intrinsics: 3x3 pinhole matrix, or its nine numbers, in pixels of the video as players show it.
        camera_height: Metres above the ground.
        max_clips: So many of its clips, spread over the video.
        max_seconds: Nothing behind so many seconds is looked at.

    Returns:
        The clips in the order of time, and what was dropped.

    Raises:
        InputError: The intrinsics or another option cannot be.
    """
    matrix = _checked(intrinsics, camera_height, max_clips, max_seconds)
    try:
        path = confined(videos, video.path)
        info = probed(path)
        last = len(info) - 1
        if max_seconds is not None:
            last = int(np.searchsorted(info.times_s, max_seconds + 1e-9, side="right")) - 1
        if matrix is not None:
            _check_lens(matrix, video.path, info.size)
        looks = look_through(path, info, last)
    except (InputError, OSError) as error:
        return [], [Dropped(video.path, None, STAGE, str(error))]

    times_s = info.times_s[looks.numbers]
    times_ns = np.round(info.times_s * 1e9).astype(np.int64)
    shots = find_shots(looks, times_s)
    stretches = [tuple(looks.numbers[run]) for run in shots.runs]
    whole = [part for stretch in stretches for part in _without(stretch, looks.broken)]
    pieces = [frames for part in whole for frames in cut_shot(times_ns, *part)]
    long = [frames for frames in pieces if lasts(times_ns, frames) >= LEAST_SECONDS]

    clips: list[Clip] = []
    dropped = _left_out(video, info.times_s, looks, shots.black, pieces, long, times_ns)
    for number, frames in enumerate(long):
        clip = Clip(
            id=f"{file_name(video.path)}-{number:03d}",
            video=video.path,
            frames=tuple(frames.tolist()),
            times_ns=tuple(times_ns[frames].tolist()),
            size=info.size,
            first=int(frames[0]),
            last=int(frames[-1]),
            domain=video.domain,
            licence=video.licence,
            split=video.split,
            intrinsics=matrix,
            camera_height=camera_height,
        )
        seen = np.searchsorted(looks.numbers, [clip.first, clip.last + 1])
        if is_frozen(looks, seen[0], seen[1] - 1):
            reason = f"{_span(info.times_s, frames)} show one picture that never changes."
            dropped.append(Dropped(video.path, clip.id, STAGE, reason))
        else:
            clips.append(clip)
    if not long and not dropped:
        dropped.append(Dropped(video.path, None, STAGE, f"{video.path} has no stretch of {LEAST_SECONDS:g} s."))
    if max_clips is not None and len(clips) > max_clips:
        spread = np.round((np.arange(max_clips) + 0.5) * len(clips) / max_clips - 0.5).astype(int)
        clips = [clips[k] for k in spread]
    return clips, dropped


def _check_lens(matrix: Sequence[float], video: str, size: tuple[int, int]) -> None:
    """Refuse a lens that is not of a video's images: it would be wrong by as much as their sizes differ."""
    centre = matrix[2], matrix[5]
    if any(abs(at / side - 0.5) > _MOST_OFF_CENTRE for at, side in zip(centre, size, strict=True)):
        raise InputError(
            f"The lens that was stated looks through ({centre[0]:g}, {centre[1]:g}), far from the middle of {video}, "
            f"which is {size[0]}x{size[1]} pixels. State the intrinsics in pixels of this video."
        )


def _without(stretch: tuple[int, int], broken: np.ndarray) -> list[tuple[int, int]]:
    """What is left of a stretch of frames without those that do not decode."""
    parts, (first, last) = [], stretch
    for start, end in broken:
        if end >= first and start <= last:
            parts.append((first, int(start) - 1))
            first = int(end) + 1
    return [(a, b) for a, b in [*parts, (first, last)] if a <= b]


def _left_out(video: VideoFile, times_s, looks: Looks, black, pieces, long, times_ns) -> list[Dropped]:
    """A sentence each on what became no clip: black, damaged, too short."""
    dropped = []
    if black.all():
        dropped.append(f"{video.path} is black throughout.")
    elif black.any() and (seconds := float(np.median(np.diff(times_s[looks.numbers])) * black.sum())) >= 0.5:
        dropped.append(f"{seconds:.1f} s of {video.path} are black and left out.")
    if count := len(looks.broken):
        first, last = looks.broken[0]
        more = "" if count == 1 else f", and {count - 1} more such stretches,"
        dropped.append(
            f"{video.path}: frames {first} to {last} ({times_s[first]:.1f}-{times_s[last]:.1f} s){more} do not decode "
            "and are left out. The file is damaged: copy it again."
        )
    short = len(pieces) - len(long)
    seconds = sum(lasts(times_ns, frames) for frames in pieces) - sum(lasts(times_ns, frames) for frames in long)
    # Half a second behind a shot's last whole clip is nothing to speak of.
    if short and (seconds > 0.5 * len(long) or not long):
        what = "a stretch" if short == 1 else f"{short} stretches"
        dropped.append(
            f"{video.path} has {what} between cuts, fades or pauses shorter than {LEAST_SECONDS:g} s "
            f"({seconds:.1f} s in all), left out."
        )
    return [Dropped(video.path, None, STAGE, reason) for reason in dropped]


def _span(times_s: np.ndarray, frames: np.ndarray) -> str:
    return f"Seconds {times_s[frames[0]]:.1f} to {times_s[frames[-1]]:.1f}"


def _checked(intrinsics, camera_height, max_clips, max_seconds) -> tuple[float, ...] | None:
    """Options that can be, and the matrix as a clip holds it."""
    for name, value in (("camera height", camera_height), ("max_clips", max_clips), ("max_seconds", max_seconds)):
        if value is not None and not (np.isfinite(value) and value > 0):
            raise InputError(f"A {name} of {value} cannot be. Give a positive number.")
    if intrinsics is None:
        return None
    matrix = np.asarray(intrinsics, np.float64)
    if matrix.size != 9 or not np.isfinite(matrix).all() or (np.diag(matrix.reshape(3, 3)) <= 0).any():
        raise InputError("The intrinsics are no 3x3 matrix with a positive focal length. Give fx 0 cx 0 fy cy 0 0 1.")
    return tuple(matrix.ravel().tolist())
