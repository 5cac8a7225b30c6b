"""A whole run: videos to clips, each clip through its stages, and questions about all of them at the end.

What is on disk says what is done: a run that was killed goes on where it was, clip by clip and stage by stage, and
ends with the same bytes.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tqdm import tqdm

from st_vlm.building.build import BuildReport, build
from st_vlm.building.settings import BuildSettings
from st_vlm.errors import InputError
from st_vlm.pseudo_labels.files import CLIP_FILE, CLIPS, PROBED, QUESTIONS, write_json
from st_vlm.pseudo_labels.probing.finding import VideoFile, find_videos
from st_vlm.pseudo_labels.probing.stage import probe_and_cut
from st_vlm.pseudo_labels.quality_table import KEPT, ClipQuality, quality_table, write_quality
from st_vlm.pseudo_labels.run_settings import RunSettings, settle
from st_vlm.pseudo_labels.stages import Run
from st_vlm.questions.clips import file_name
from st_vlm.questions.forms import TASKS

# How a stage goes over what is due: a function of the run, the stage's name, and the clips' ids.
Walk = Callable[[Run, str, Sequence[str]], None]


@dataclass(frozen=True)
class RunReport:
    """What came out of a run.

    Attributes:
        lines: The quality table.
        built: What the questions' build tells; None where no clip was kept, or nothing could be asked.
        without: Why there are no questions; empty where there are.
    """

    lines: tuple[ClipQuality, ...]
    built: BuildReport | None
    without: str = ""


def run_pipeline(
    settings: RunSettings,
    out: Path,
    from_stage: str | None = None,
    until: str | None = None,
    walk: Walk | None = None,
    num_proc: int = 1,
) -> RunReport:
    """Make, or go on making, a folder of pseudo-labels.

    Args:
        settings: Of the run.
        out: Its folder.
        from_stage: Make this stage and those behind it again.
        until: The last stage to make; None: all.
        walk: How a stage goes over the clips; None: one after the other, in this process.
        num_proc: Worker processes of the questions' build.

    Raises:
        InputError: The folder was begun with other settings, there are no videos, or a backend does not exist or
            does not take its options.
        OSError: The disk cannot be written.
    """
    videos = find_videos(settings.videos, settings.layout, licence=settings.licence, domain=settings.domain)
    run = Run(out, settings)
    # Before anything is written: a misspelt option should not cost a probe of all videos.
    for stage in run.stages():
        if stage != "lift":
            getattr(run, stage)
    run.restart(settle(settings, out, from_stage))
    write_json(out / "run.json", settings.as_json())
    probe_all(run, videos)
    walk = walk or one_by_one
    stages = run.stages()
    if until in stages:
        stages = stages[: stages.index(until) + 1]
    for stage in stages if until != "probe" else ():
        due = [clip_id for clip_id in run.clip_ids() if run.is_due(stage, clip_id)]
        if due:
            walk(run, stage, due)
    built, without = None, ""
    if until in (None, "questions"):
        built, without = ask(run, num_proc)
    lines = quality_table(out)
    write_quality(out, lines)
    return RunReport(tuple(lines), built, without)


def one_by_one(run: Run, stage: str, clip_ids: Sequence[str]) -> None:
    """One clip after the other, in this process."""
    for clip_id in tqdm(clip_ids, desc=stage, unit="clip", disable=None):
        run.do(stage, clip_id)


def probe_all(run: Run, videos: Sequence[VideoFile]) -> None:
    """Probe and cut the videos that have not been yet."""
    settings = run.settings
    notes = {video: run.out / PROBED / f"{file_name(video.path)}.json" for video in videos}
    due = [video for video in videos if not notes[video].is_file()]
    (run.out / PROBED).mkdir(exist_ok=True)
    for video in tqdm(due, desc="probe", unit="video", disable=None):
        clips, dropped = probe_and_cut(
            video,
            settings.folder,
            intrinsics=settings.intrinsics,
            camera_height=settings.camera_height,
            max_clips=settings.max_clips,
            max_seconds=settings.max_seconds,
        )
        for clip in clips:
            folder = run.out / CLIPS / clip.id
            folder.mkdir(parents=True, exist_ok=True)
            clip.write(folder / CLIP_FILE)
        note = {"video": video.path, "clips": [clip.id for clip in clips], "dropped": [asdict(one) for one in dropped]}
        write_json(notes[video], note)


def ask(run: Run, num_proc: int = 1) -> tuple[BuildReport | None, str]:
    """Build the questions about all clips that were kept; why there are none, where there are none."""
    settings = run.settings
    if not any(line.status == KEPT for line in quality_table(run.out)):
        return None, "No clip was kept."
    folder = run.out / QUESTIONS
    # The clips may have changed since it was built.
    shutil.rmtree(folder, ignore_errors=True)
    options = {"max_expected_error": settings.max_expected_error, "videos": str(settings.folder)}
    asked = BuildSettings(
        source="pseudo",
        path=str(run.out),
        seed=settings.seed,
        tasks=settings.tasks or tuple(TASKS),
        balance=settings.balance,
        source_options=options,
    )
    try:
        return build(asked, folder, num_proc), ""
    except InputError as error:
        return None, str(error)
