"""Rows of a source one recording after the other, without a build before the first: for `streaming=True`.

A row is the same as in the built set, which keeps only some of them: balancing looks at the whole set and cannot be
done while streaming. Nor can a recording be left out whole for an image that turns out bad when some of its clips have
been given away.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from st_vlm.building.plan import refuse_without_cameras
from st_vlm.building.settings import BuildSettings
from st_vlm.building.shard import FrameReader, interview, write_clip
from st_vlm.errors import InputError
from st_vlm.questions.selection import Repeats
from st_vlm.recordings import Recording

logger = logging.getLogger(__name__)


def stream_rows(settings: BuildSettings, recording_ids: Sequence[str], folder: Path) -> Iterator[dict]:
    """Dataset rows with a column `video` (`{path, bytes}`, or None without video), as soon as they are known.

    A clip is encoded when its first row is due, and kept in `folder` for the next time. A recording that cannot be
    used is told in a warning and left out.

    Args:
        settings: `balance` is ignored.
        recording_ids: Which recordings, in which order.
        folder: For the clips; made if missing.

    Raises:
        InputError: The source cannot be opened; or at the end, where no recording has the wanted cameras.
    """
    source = settings.open()
    folder.mkdir(parents=True, exist_ok=True)
    known: set[str] = set()
    failed = False
    for recording_id in recording_ids:
        try:
            cameras = source.cameras(recording_id, images=settings.video)
        except InputError as error:
            failed = True
            logger.warning("Left out: %s: %s", recording_id, error)
            continue
        known.update(cameras)
        repeats = Repeats()
        for camera in cameras:
            if settings.cameras is not None and camera not in settings.cameras:
                continue
            try:
                recording = source.read(recording_id, camera, images=settings.video)
                yield from _rows(recording, settings, folder, repeats)
            except InputError as error:
                logger.warning("Left out: %s (%s): %s", recording_id, camera, error)
    if not failed:
        refuse_without_cameras(settings, known)


def _rows(recording: Recording, settings: BuildSettings, folder: Path, repeats: Repeats) -> Iterator[dict]:
    found = interview(recording, settings.seed, settings.tasks)
    frames = FrameReader(recording, found.video_size)
    clips = {clip.id: clip for clip in found.clips}
    for row, ask in zip(found.rows(), found.asks(), strict=True):
        if not repeats.add(ask):
            continue
        video = None
        if settings.video:
            path = folder / f"{row['clip_id']}.mp4"
            if not path.is_file():
                write_clip(clips[row["clip_id"]], frames, folder)
            video = {"path": str(path), "bytes": None}
        yield {"video": video, **row}
