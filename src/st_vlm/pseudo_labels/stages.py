"""One clip through one stage: its file appears whole, or a sentence tells why there is none."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from st_vlm.errors import InputError
from st_vlm.pseudo_labels.backends import KINDS, make_backend
from st_vlm.pseudo_labels.checking.standing_camera import check_standing
from st_vlm.pseudo_labels.clip import Clip
from st_vlm.pseudo_labels.clip_geometry import read_geometry, write_geometry
from st_vlm.pseudo_labels.files import (
    CHECK_FILE,
    CLIP_FILE,
    CLIPS,
    FAILED_FILE,
    GEOMETRY_FILE,
    PROBED,
    QUALITY_FILE,
    QUESTIONS,
    SEGMENTS_FILE,
    SELF_CHECK_FILE,
    TRACKS_FILE,
    read_json,
    write_json,
)
from st_vlm.pseudo_labels.frames import ClipFrames
from st_vlm.pseudo_labels.lift_stage import lift
from st_vlm.pseudo_labels.lifted_tracks import write_tracks
from st_vlm.pseudo_labels.probing.finding import VideoFile, find_videos
from st_vlm.pseudo_labels.probing.stage import probe_and_cut
from st_vlm.pseudo_labels.run_settings import STAGES, RunSettings
from st_vlm.pseudo_labels.segments import Segments, read_segments, write_segments
from st_vlm.pseudo_labels.self_check import SelfCheck, check_backwards, run_backwards
from st_vlm.pseudo_labels.unavailable import Unavailable
from st_vlm.questions.clips import file_name

logger = logging.getLogger(__name__)

STAGE_FILES = {
    "semantics": SEGMENTS_FILE,
    "check": CHECK_FILE,
    "geometry": GEOMETRY_FILE,
    "self-check": SELF_CHECK_FILE,
    "lift": TRACKS_FILE,
}


class Run:
    """A run's folder and its backends, which are made when a stage first needs them.

    Args:
        out: The folder.
        settings: Of the run.
    """

    def __init__(self, out: Path, settings: RunSettings) -> None:
        self.out, self.settings = out, settings

    def clip_ids(self) -> list[str]:
        """The clips that the probe found, in the order of their names."""
        folder = self.out / CLIPS
        return sorted(one.name for one in folder.iterdir() if (one / CLIP_FILE).is_file()) if folder.is_dir() else []

    @cached_property
    def videos(self) -> dict[str, VideoFile]:
        """The videos by their paths, in the order of these.

        Raises:
            InputError: As `find_videos`.
        """
        of = self.settings
        found = find_videos(of.videos, of.layout, licence=of.licence, domain=of.domain)
        return {video.path: video for video in found}

    def items(self, stage: str) -> list[str]:
        """What a stage goes over: the videos' paths for the probe, the clips' ids for all others."""
        return list(self.videos) if stage == "probe" else self.clip_ids()

    def stages(self) -> tuple[str, ...]:
        """The stages that the run has before its questions."""
        left_out = {
            stage
            for stage, wanted in (("check", self.settings.check is not None), ("self-check", self.settings.self_check))
            if not wanted
        }
        return tuple(stage for stage in STAGES[:-1] if stage not in left_out)

    def is_due(self, stage: str, item: str) -> bool:
        """Whether a stage is still to be made of an item: the clip has not failed, and the file is not there."""
        if stage == "probe":
            return not self._note(item).is_file()
        folder = self.out / CLIPS / item
        return not (folder / STAGE_FILES[stage]).is_file() and not (folder / FAILED_FILE).is_file()

    def do(self, stage: str, item: str) -> str | None:
        """Make one stage of one item, and return why it failed, or None."""
        if stage == "probe":
            return self._probe(item)
        folder = self.out / CLIPS / item
        try:
            clip = Clip.read(folder / CLIP_FILE)
            _DO[stage](self, clip, folder)
        except InputError as error:
            reason, again = str(error), isinstance(error, Unavailable) or self._reads_files(stage)
        except OSError:
            # A full or broken disk is nobody's clip's fault.
            raise
        except Exception as error:
            # Whatever a library's own code stumbles over must not stop the other clips.
            logger.debug("%s, stage %s", item, stage, exc_info=True)
            reason, again = f"{type(error).__name__}: {error}", True
        else:
            return None
        write_json(folder / FAILED_FILE, {"stage": stage, "reason": reason, "again": again})
        return reason

    def _reads_files(self, stage: str) -> bool:
        """Whether a stage's backend reads files of the user's own, who may have put them right by the next start."""
        # Where the backend itself cannot be made, there is none.
        return stage in KINDS and getattr(vars(self).get(stage), "from_files", False)

    def _note(self, video: str) -> Path:
        return self.out / PROBED / f"{file_name(video)}.json"

    def _probe(self, video: str) -> None:
        """Cut a video into clips; its note, with all that is dropped of it, is written last."""
        of = self.settings
        clips, dropped = probe_and_cut(
            self.videos[video],
            of.folder,
            intrinsics=of.intrinsics,
            camera_height=of.camera_height,
            max_clips=of.max_clips,
            max_seconds=of.max_seconds,
        )
        for clip in clips:
            folder = self.out / CLIPS / clip.id
            folder.mkdir(parents=True, exist_ok=True)
            clip.write(folder / CLIP_FILE)
        self._note(video).parent.mkdir(exist_ok=True)
        note = {"video": video, "clips": [clip.id for clip in clips], "dropped": [asdict(one) for one in dropped]}
        write_json(self._note(video), note)

    def restart(self, from_stage: str | None) -> None:
        """Remove what a stage and those behind it made; without one, only the failures that may pass."""
        index = len(STAGES) if from_stage is None else STAGES.index(from_stage)
        if index == 0:
            shutil.rmtree(self.out / CLIPS, ignore_errors=True)
            shutil.rmtree(self.out / PROBED, ignore_errors=True)
        for clip_id in self.clip_ids():
            folder = self.out / CLIPS / clip_id
            failed = folder / FAILED_FILE
            if failed.is_file():
                note = read_json(failed)
                if note.get("again") or STAGES.index(note["stage"]) >= index:
                    failed.unlink()
            for stage, name in STAGE_FILES.items():
                if STAGES.index(stage) >= index:
                    (folder / name).unlink(missing_ok=True)
        if from_stage is not None:
            shutil.rmtree(self.out / QUESTIONS, ignore_errors=True)
            (self.out / QUALITY_FILE).unlink(missing_ok=True)

    @cached_property
    def semantics(self):
        return make_backend("semantics", self.settings.semantics, self.settings.semantics_options)

    @cached_property
    def geometry(self):
        return make_backend("geometry", self.settings.geometry, self.settings.geometry_options)

    @cached_property
    def check(self):
        return make_backend("check", self.settings.check, self.settings.check_options)

    def frames(self, clip: Clip) -> ClipFrames:
        """The images of a clip."""
        return ClipFrames(clip, self.settings.folder)


def _segment(run: Run, clip: Clip, folder: Path) -> None:
    segments = run.semantics.segment(run.frames(clip))
    if not len(segments):
        raise InputError("No object was found in the clip.")
    write_segments(segments, folder / SEGMENTS_FILE)


def _check(run: Run, clip: Clip, folder: Path) -> None:
    segments = read_segments(folder / SEGMENTS_FILE)
    verdicts = run.check.check(run.frames(clip), segments)
    write_json(folder / CHECK_FILE, {str(k): asdict(verdict) for k, verdict in enumerate(verdicts)})


def _measure(run: Run, clip: Clip, folder: Path) -> None:
    segments, frames = _checked_segments(folder), run.frames(clip)
    geometry = run.geometry.measure(frames, segments)
    check_standing(frames, segments, geometry)
    write_geometry(geometry, folder / GEOMETRY_FILE)


def _self_check(run: Run, clip: Clip, folder: Path) -> None:
    segments, geometry = _checked_segments(folder), read_geometry(folder / GEOMETRY_FILE)
    backends = run.semantics, run.geometry
    with TemporaryDirectory(prefix="st-vlm-") as temporary:
        found = run_backwards(run.frames(clip), Path(temporary), *backends, segments, geometry)
    write_json(folder / SELF_CHECK_FILE, asdict(found))


def _lift(run: Run, clip: Clip, folder: Path) -> None:
    segments, geometry = _checked_segments(folder), read_geometry(folder / GEOMETRY_FILE)
    if (folder / SELF_CHECK_FILE).is_file():
        check_backwards(SelfCheck(**read_json(folder / SELF_CHECK_FILE)))
    write_tracks(lift(clip, segments, geometry, seed=run.settings.seed), folder / TRACKS_FILE)


def _checked_segments(folder: Path) -> Segments:
    """The objects that a check has not refused, under their own numbers."""
    segments = read_segments(folder / SEGMENTS_FILE)
    if not (folder / CHECK_FILE).is_file():
        return segments
    refused = {int(k) for k, answer in read_json(folder / CHECK_FILE).items() if not answer["holds"]}
    return segments.without(refused)


_DO: dict[str, Callable[[Run, Clip, Path], None]] = {
    "semantics": _segment,
    "check": _check,
    "geometry": _measure,
    "self-check": _self_check,
    "lift": _lift,
}
