"""What a build has to do: a shard for each recording and camera, and the folder in which shards wait for the rest.

The folder lies beside the wanted one under a hidden name. Only one build at a time may hold it; shards left in it by
a build that was killed are used again if settings and code are the same.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil
from collections.abc import Iterator, Set
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from tqdm import tqdm

from st_vlm.building.settings import BuildSettings
from st_vlm.building.submitted import refuse_if_queued
from st_vlm.errors import InputError
from st_vlm.questions.clips import file_name
from st_vlm.recordings import Source

logger = logging.getLogger(__name__)

SETTINGS_FILE = "settings.json"
PLAN_FILE = "plan.json"
LOCK_FILE = "lock"
SHARDS = "shards"
FAILED = ".failed"
RESULT = "result"
STOPPED = "stopped"


@dataclass(frozen=True)
class Job:
    """One shard to write: its folder's name, the recording and the camera."""

    name: str
    recording: str
    camera: str


@dataclass(frozen=True)
class Plan:
    """Everything a build has to do.

    Attributes:
        jobs: In the order in which their rows will stand.
        without_images: Recordings that give nothing, for they have no images (or no camera at all).
        failures: A sentence for every recording whose cameras cannot be listed.
    """

    jobs: tuple[Job, ...]
    without_images: tuple[str, ...]
    failures: tuple[str, ...]


def make_plan(source: Source, settings: BuildSettings) -> Plan:
    """List the jobs of a source.

    Raises:
        InputError: A wanted recording, or a wanted camera, that is not there.
    """
    jobs: dict[str, Job] = {}
    without_images, failures, known = [], [], set()
    recordings = source.recording_ids()
    if settings.recordings is not None:
        wanted = set(settings.recordings)
        if unknown := wanted.difference(recordings):
            raise InputError(f"{settings.path or settings.source} has no recording {min(unknown)}.")
        recordings = [recording_id for recording_id in recordings if recording_id in wanted]
    for recording_id in tqdm(recordings, desc="Listing", unit="recording", disable=None, leave=False):
        try:
            _check_text(recording_id)
            cameras = list(source.cameras(recording_id, images=settings.video))
        except InputError as error:
            failures.append(f"{recording_id}: {error}".encode(errors="backslashreplace").decode())
            continue
        known.update(cameras)
        if not cameras:
            without_images.append(recording_id)
        for camera in cameras:
            if settings.cameras is not None and camera not in settings.cameras:
                continue
            name = file_name(f"{recording_id}-{camera}")
            other = jobs.setdefault(name, Job(name, recording_id, camera))
            if (other.recording, other.camera) != (recording_id, camera):
                failures.append(
                    f"{recording_id} ({camera}): its clips would have the names of those of {other.recording} "
                    f"({other.camera}). Rename one of them."
                )
    if settings.cameras and (known or not failures):
        refuse_without_cameras(settings, known)
    return Plan(tuple(jobs.values()), tuple(without_images), tuple(failures))


def refuse_without_cameras(settings: BuildSettings, known: Set[str]) -> None:
    """Refuse a source whose recordings have no camera at all, or none of a wanted name.

    Args:
        settings: What is wanted.
        known: Names of all cameras of the recordings.

    Raises:
        InputError: There is no such camera.
    """
    what = "images of the camera" if settings.video else "the camera"
    unknown = set(settings.cameras or ()) - known
    if unknown:
        there = ", ".join(sorted(known)) or "none"
        raise InputError(f"No recording has {what} {min(unknown)}; there are {there}.")
    if not known:
        raise InputError(no_camera(settings))


def no_camera(settings: BuildSettings, first: str | None = None) -> str:
    """The sentence for recordings without cameras; `first` is the name of one."""
    place, named = settings.path or settings.source, f" (first: {first})" if first else ""
    if not settings.video:
        return f"No recording of {place} has a calibrated camera{named}."
    return (
        f"No recording of {place} has images{named}; questions need a video. Rows without video, boxes alone, are "
        "built with `--no-video` (`video=False` in Python)."
    )


def _check_text(name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError:
        raise InputError("Its name is no valid text. Rename it in the source's files.") from None


@dataclass(frozen=True)
class WorkFolder:
    """The folder beside the wanted one, on a file system that all workers share.

    Attributes:
        path: Holds the settings, the plan, `shards/` and, at the end, `result/`.
    """

    path: Path

    @classmethod
    def beside(cls, out: Path) -> WorkFolder:
        return cls(out.with_name(f".{out.name}.partial"))

    @contextmanager
    def held(self, settings: BuildSettings) -> Iterator[None]:
        """Make the folder ready, and keep other builds out of it until done.

        Shards of other settings or code, and whatever a killed build left half written, are thrown away.

        Raises:
            InputError: Another build holds it, or jobs submitted for it are still in a queue.
        """
        with self.locked():
            refuse_if_queued(self.path)
            self._clean(settings)
            yield

    @contextmanager
    def locked(self, wait: bool = False) -> Iterator[None]:
        """Keep other builds out, and leave what is there as it is.

        Raises:
            InputError: Another build holds it, unless told to wait for that.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / LOCK_FILE).open("w") as lock:
            if not _lock(lock, wait):
                raise InputError(f"Another build is writing to {self.path}. Wait for it, or choose another folder.")
            yield
        with suppress(OSError):  # Where `remove` could not; a folder that holds anything stays.
            self.path.rmdir()

    def _clean(self, settings: BuildSettings) -> None:
        if (self.path / SHARDS).is_dir() and not self.is_of(settings):
            logger.warning("Starting over: %s is left from a build with other settings or code.", self.path)
            shutil.rmtree(self.path / SHARDS)
        shutil.rmtree(self.path / RESULT, ignore_errors=True)
        shutil.rmtree(self.path / STOPPED, ignore_errors=True)
        shards = self.path / SHARDS
        shards.mkdir(exist_ok=True)
        for left in shards.iterdir():
            if left.name.startswith(".") and left.is_dir():
                shutil.rmtree(left)
            elif left.name.startswith(".") or left.name.endswith(FAILED):
                left.unlink()
        _write_whole(self.path / SETTINGS_FILE, settings.fingerprint())

    def is_of(self, settings: BuildSettings) -> bool:
        """Whether what is there was made, or is to be made, with these settings and this code."""
        note = self.path / SETTINGS_FILE
        return note.is_file() and settings.shares_shards_with(note.read_text(encoding="utf-8"))

    def write_plan(self, plan: Plan) -> None:
        _write_whole(self.path / PLAN_FILE, json.dumps(asdict(plan)))

    def read_plan(self) -> Plan:
        found = json.loads((self.path / PLAN_FILE).read_text(encoding="utf-8"))
        return Plan(
            tuple(Job(**job) for job in found["jobs"]), tuple(found["without_images"]), tuple(found["failures"])
        )

    def read_settings(self) -> BuildSettings:
        return BuildSettings.from_fingerprint((self.path / SETTINGS_FILE).read_text(encoding="utf-8"))

    def shard(self, job: Job) -> Path:
        return self.path / SHARDS / job.name

    def is_done(self, job: Job) -> bool:
        return self.shard(job).is_dir()

    def fail(self, job: Job, sentence: str) -> None:
        """Note why a job gave no shard; it is tried again when the build is started again."""
        _write_whole(self.path / SHARDS / f"{job.name}{FAILED}", sentence)

    def failure(self, job: Job) -> str | None:
        """Why a job gave no shard; None where it gave one, whatever a worker that was cut off noted before."""
        if self.is_done(job):
            return None
        note = self.path / SHARDS / f"{job.name}{FAILED}"
        return note.read_text(encoding="utf-8") if note.is_file() else None

    def count_tried(self) -> int:
        """Number of jobs that gave a shard, or a sentence in its place."""
        return sum(not entry.name.startswith(".") for entry in os.scandir(self.path / SHARDS))

    def stop(self, rank: int, sentence: str) -> None:
        """Note why a worker, the rank-th of several, gave up its jobs."""
        (self.path / STOPPED).mkdir(exist_ok=True)
        _write_whole(self.path / STOPPED / f"{rank:05d}", sentence)

    def stops(self) -> list[str]:
        """What workers noted when they gave up, in the order of their ranks."""
        return [note.read_text(encoding="utf-8") for note in sorted((self.path / STOPPED).glob("[0-9]*"))]

    def remove(self) -> None:
        try:
            shutil.rmtree(self.path)
        except OSError as error:
            # NFS keeps a lock file that is still open under another name until it is closed.
            if error.errno != errno.ENOTEMPTY:
                raise

    def remove_if_free(self) -> None:
        """Remove it if it is there and no build holds it."""
        if self.path.is_dir():
            with (self.path / LOCK_FILE).open("w") as lock:
                if _lock(lock):
                    self.remove()


def _write_whole(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _lock(file, wait: bool = False) -> bool:
    """Whether we hold the file's lock now; yes, too, on file systems and platforms that know no locks."""
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
