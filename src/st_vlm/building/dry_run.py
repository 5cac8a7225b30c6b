"""What a build would give and cost, from a few recordings looked at whole; nothing is written that stays."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from st_vlm.building.build import why_nothing
from st_vlm.building.plan import make_plan
from st_vlm.building.settings import BuildSettings
from st_vlm.building.shard import FrameReader, interview, write_clip
from st_vlm.errors import InputError

SAMPLED = 4
# Of the compressed table: boxes and poses of a row, measured on nuScenes and simulated builds.
BYTES_A_ROW = 4000


@dataclass(frozen=True)
class Estimate:
    """What a build would give, scaled up from the sampled recordings.

    Attributes:
        recordings, shards: How many recordings, and pairs of recording and camera, there are.
        sampled: How many pairs were looked at.
        questions: Task -> expected number of questions, before balancing.
        clips: Expected number.
        bytes: Expected size of the finished folder.
        seconds: Expected time on one process of this machine.
        failures: A sentence for every recording that could not be used, among those looked at.
        without_images: Recordings that would give nothing, for they have no images.
    """

    recordings: int
    shards: int
    sampled: int
    questions: dict[str, int]
    clips: int
    bytes: int
    seconds: float
    failures: tuple[str, ...]
    without_images: tuple[str, ...]


def estimate(settings: BuildSettings, sample: int = SAMPLED) -> Estimate:
    """Look at `sample` recordings, evenly spread over all, and estimate the whole build.

    Of each, the questions are found and one clip is encoded in a temporary folder, which is removed.

    Raises:
        InputError: The source cannot be opened, a wanted camera is not there, or no recording that was looked at can
            be used.
    """
    source = settings.open()
    plan = make_plan(source, settings)
    count = min(sample, len(plan.jobs))
    chosen = [plan.jobs[k] for k in np.unique(np.linspace(0, len(plan.jobs) - 1, count).astype(int))] if count else []
    questions: Counter[str] = Counter()
    failures = list(plan.failures)
    clips = frames = encoded = size = 0
    looking = encoding = 0.0
    for job in tqdm(chosen, desc="Sampling", unit="camera", disable=None):
        start = time.monotonic()
        try:
            recording = source.read(job.recording, job.camera, images=settings.video)
            found = interview(recording, settings.seed, settings.tasks)
            questions.update(one.candidate.task for one in found.asked)
            clips += len(found.clips)
            frames += sum(len(clip.frames) for clip in found.clips)
            looking += time.monotonic() - start
            if settings.video and found.clips:
                start = time.monotonic()
                with tempfile.TemporaryDirectory() as folder:
                    path = write_clip(found.clips[0], FrameReader(recording, found.video_size), Path(folder))
                    size += path.stat().st_size
                encoded += len(found.clips[0].frames)
                encoding += time.monotonic() - start
        except InputError as error:
            failures.append(f"{job.recording} ({job.camera}): {error}")
    if len(failures) == len(plan.failures) + len(chosen):
        raise InputError(why_nothing(settings, plan, tuple(failures)))
    scale = len(plan.jobs) / len(chosen) if chosen else 0.0
    a_frame = 1 / encoded if encoded else 0.0
    rows = sum(questions.values())
    return Estimate(
        recordings=len(set(source.recording_ids())),
        shards=len(plan.jobs),
        sampled=len(chosen),
        questions={task: round(questions[task] * scale) for task in settings.tasks},
        clips=round(clips * scale),
        bytes=round(scale * (frames * size * a_frame + rows * BYTES_A_ROW)),
        seconds=scale * (looking + frames * encoding * a_frame),
        failures=tuple(failures),
        without_images=plan.without_images,
    )
