"""A folder as `st-vlm pseudo-label` leaves it, made from simulated recordings."""

from __future__ import annotations

import numpy as np
import pytest
from pseudo_labels.runs import settings_of
from pseudo_labels.simulated_clips import (
    clip_of,
    geometry_of,
    segments_of,
    simulated_clips,
    video_size,
    write_clip_video,
)

from st_vlm.pseudo_labels.clip_geometry import write_geometry
from st_vlm.pseudo_labels.files import (
    CLIP_FILE,
    CLIPS,
    GEOMETRY_FILE,
    RUN_FILE,
    SEGMENTS_FILE,
    TRACKS_FILE,
    write_json,
)
from st_vlm.pseudo_labels.lift_stage import lift
from st_vlm.pseudo_labels.lifted_tracks import write_tracks
from st_vlm.pseudo_labels.pipeline import run_pipeline
from st_vlm.pseudo_labels.segments import write_segments
from st_vlm.video.encoding import write_video


@pytest.fixture(scope="session")
def simulated_truth():
    return simulated_clips(2)


@pytest.fixture(scope="session")
def lifted_run(tmp_path_factory, simulated_truth):
    """OUT with two lifted clips, and their videos in OUT/videos."""
    out = tmp_path_factory.mktemp("pseudo")
    for truth in simulated_truth:
        video = f"{truth.recording.id}.mp4"
        write_clip_video(truth, out / "videos" / video)
        clip = clip_of(truth, video)
        folder = out / CLIPS / clip.id
        folder.mkdir(parents=True)
        clip.write(folder / CLIP_FILE)
        segments, geometry = segments_of(truth), geometry_of(truth, "bar")
        write_segments(segments, folder / SEGMENTS_FILE)
        write_geometry(geometry, folder / GEOMETRY_FILE)
        write_tracks(lift(clip, segments, geometry), folder / TRACKS_FILE)
    write_json(out / RUN_FILE, {"videos": str(out / "videos")})
    return out


@pytest.fixture(scope="session")
def user(tmp_path_factory, simulated_truth):
    """What a user has: videos, one of them of nothing, with masks and geometry."""
    folder = tmp_path_factory.mktemp("user")
    for part in ("masks", "geometry"):
        (folder / part).mkdir()
    for truth in simulated_truth:
        name = truth.recording.id
        write_clip_video(truth, folder / "videos" / f"{name}.mp4")
        write_segments(segments_of(truth), folder / "masks" / f"{name}.parquet")
        write_geometry(geometry_of(truth, "bar"), folder / "geometry" / f"{name}.npz")
    width, height = video_size()
    black = np.zeros((height, width, 3), np.uint8)
    write_video(folder / "videos" / "black.mp4", [black] * 10, [0.5 * k for k in range(10)])
    (folder / "videos" / "broken.mp4").write_bytes(b"no video")
    return folder


@pytest.fixture(scope="session")
def done(user, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "out"
    return out, run_pipeline(settings_of(user), out)
