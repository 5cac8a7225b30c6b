"""A stage on a machine that sees nothing of the run but a remote folder.

REMOTE/run.json              whose run it is, and its settings
REMOTE/launch.json           which launch its jobs belong to
REMOTE/work/LAUNCH/RANK.json what a task is to do (`Share`)
REMOTE/videos/…              the videos, as they lie in their folder
REMOTE/files/KIND-OPTION/…   files and folders that options of backends name
REMOTE/probed/…, clips/…     as in the run's folder
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from datatrove.pipeline.base import PipelineStep
from datatrove.utils.logging import logger

from st_vlm.errors import InputError
from st_vlm.pseudo_labels.files import CLIP_FILE, CLIPS, FAILED_FILE, PROBED, read_json, write_json
from st_vlm.pseudo_labels.frames import confined
from st_vlm.pseudo_labels.gpus import GPU_STAGES, take_gpu
from st_vlm.pseudo_labels.probing.finding import VideoFile
from st_vlm.pseudo_labels.remote_store import RemoteStore
from st_vlm.pseudo_labels.run_settings import RunSettings
from st_vlm.pseudo_labels.stages import STAGE_FILES, Run
from st_vlm.questions.clips import file_name

LAUNCH_FILE = "launch.json"
WORK, VIDEOS, FILES = "work", "videos", "files"


@dataclass(frozen=True)
class Share:
    """What one task of a stage does.

    Attributes:
        settings: The run's, as `RunSettings.as_json`.
        out: The run's folder on the launching machine, as sentences name it.
        options: `KIND-OPTION` -> what the launching machine's option says, and the name of the file or folder.
        files: Paths of the files of these options, from `REMOTE/files`.
        items: Of each video or clip its name, its video's path (None where the stage needs no images), and the names
            of the files in its folder that the stage reads.
        videos: What the probe knows of its videos.
    """

    settings: dict[str, Any]
    out: str
    options: dict[str, list[str]]
    files: list[str]
    items: list[list]
    videos: list[dict]

    def as_json(self) -> dict:
        return asdict(self)


def results_of(stage: str, item: str) -> tuple[str, ...]:
    """Where a run keeps what a stage makes of an item, or why it failed, from the run's folder."""
    if stage == "probe":
        return (f"{PROBED}/{file_name(item)}.json",)
    return f"{CLIPS}/{item}/{STAGE_FILES[stage]}", f"{CLIPS}/{item}/{FAILED_FILE}"


class RemoteStage(PipelineStep):
    """One stage over a task's share of the videos or clips, fetched and sent back one by one.

    Args:
        remote: The remote folder's URL.
        stage: Name of the stage.
        launch: Which launch the task belongs to; once there is a newer one it ends.
    """

    type = "STKit"
    name = "pseudo-labels"

    def __init__(self, remote: str, stage: str, launch: str) -> None:
        super().__init__()
        self.remote, self.stage, self.launch = remote, stage, launch

    def run(self, data=None, rank: int = 0, world_size: int = 1):
        """Make the stage; a clip that fails sends its sentence, and the others go on.

        Raises:
            InputError: The store cannot be reached, or a newer launch has taken over.
            OSError: The disk cannot be written.
        """
        if self.stage in GPU_STAGES:
            take_gpu()
        place = _workplace(self.remote, self.launch)
        share = Share(**place.store.read_json(f"{WORK}/{self.launch}/{rank:05d}.json"))
        place.prepare(share)
        for number, (item, video, inputs) in enumerate(share.items, 1):
            if any(place.store.has(name) for name in results_of(self.stage, item)):
                continue  # A task that is run once more.
            if place.store.read_json(LAUNCH_FILE).get("launch") != self.launch:
                raise InputError(f"A newer launch works on {self.remote}: this one ends.")
            why = place.do(self.stage, item, video, inputs)
            logger.info(f"{self.stage} {number}/{len(share.items)} {item}{': ' + why if why else ''}")
        return data


@lru_cache(maxsize=1)
def _workplace(remote: str, launch: str) -> Workplace:
    """A process keeps its backends, and so their weights, from one task to the next."""
    return Workplace(RemoteStore(remote))


class Workplace:
    """A temporary folder in which a stage is made of one item after the other.

    Args:
        store: The remote folder.
    """

    def __init__(self, store: RemoteStore) -> None:
        self.store = store
        self._temporary = TemporaryDirectory(prefix="st-vlm-")
        self._folder = Path(self._temporary.name)
        self._run: Run | None = None
        self._video: str | None = None
        self._there: list[tuple[str, str]] = []

    def prepare(self, share: Share) -> None:
        """Fetch what all items of a share need.

        Raises:
            InputError: The store cannot be reached, or lacks something.
        """
        (self._folder / VIDEOS).mkdir(exist_ok=True)
        for name in share.files:
            file = confined(self._folder / FILES, name)
            if not file.is_file():
                file.parent.mkdir(parents=True, exist_ok=True)
                self.store.fetch(f"{FILES}/{name}", file)
        if self._run is None:
            here = {}
            for key, (_, name) in share.options.items():
                here[key] = confined(self._folder / FILES, f"{key}/{name}")
                if not here[key].is_file():  # A folder, of which this share may need no file.
                    here[key].mkdir(parents=True, exist_ok=True)
            settings = settings_with(share.settings, {key: str(path) for key, path in here.items()})
            settings |= {"path": str(self._folder / VIDEOS)}
            self._run = Run(self._folder / "run", RunSettings.from_json(settings))
            self._there = [(str(self._run.out), share.out), (str(self._folder / VIDEOS), share.settings["videos"])]
            self._there += [(str(path), share.options[key][0]) for key, path in here.items()]
        self._run.videos = {one["path"]: _video_file(one) for one in share.videos}

    def do(self, stage: str, item: str, video: str | None, inputs: list[str]) -> str | None:
        """Make a stage of one item, send what came of it, and return why it failed, or None.

        Raises:
            InputError: The store cannot be reached, or lacks something.
        """
        run = self._run
        self._fetch_video(video)
        if stage == "probe":
            run.out.mkdir(exist_ok=True)
            run.do(stage, item)
            (note,) = results_of(stage, item)
            self._tell_there(note, "dropped")
            for clip_id in read_json(run.out / note)["clips"]:
                self._send(f"{CLIPS}/{clip_id}/{CLIP_FILE}")
            self._send(note)
            shutil.rmtree(run.out)
            return None
        folder = run.out / CLIPS / item
        folder.mkdir(parents=True)
        try:
            for name in inputs:
                self.store.fetch(f"{CLIPS}/{item}/{name}", folder / name)
            why = run.do(stage, item)
            result, failed = results_of(stage, item)
            if why is not None:
                self._tell_there(failed)
            self._send(result if why is None else failed)
        finally:
            shutil.rmtree(folder)
        return why

    def _send(self, name: str) -> None:
        self.store.send(self._run.out / name, name)

    def _fetch_video(self, video: str | None) -> None:
        """One video lies here at a time: the next clip is often of the same."""
        if video is None or video == self._video:
            return
        shutil.rmtree(self._folder / VIDEOS)
        file = confined(self._folder / VIDEOS, video)
        file.parent.mkdir(parents=True)
        self._video = None
        self.store.fetch(f"{VIDEOS}/{video}", file)
        self._video = video

    def _tell_there(self, name: str, among: str | None = None) -> None:
        """Let the sentences of a note name the places that a person knows, not this machine's."""
        note = read_json(self._run.out / name)
        for one in [note] if among is None else note[among]:
            for here, there in self._there:
                one["reason"] = one["reason"].replace(here, there)
        write_json(self._run.out / name, note)


def settings_with(settings: Mapping[str, Any], options: Mapping[str, str]) -> dict[str, Any]:
    """A run's settings, as JSON, with other values of some options, `KIND-OPTION` -> value."""
    found = dict(settings)
    for key, value in options.items():
        kind, _, option = key.partition("-")
        found[f"{kind}_options"] = {**found[f"{kind}_options"], option: value}
    return found


def _video_file(value: Mapping[str, Any]) -> VideoFile:
    return VideoFile(**{**value, "categories": tuple(value["categories"])})
