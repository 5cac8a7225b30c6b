"""What a build depends on, and the names of what it writes."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field, replace

from st_vlm.building.code import code_hash
from st_vlm.questions.forms import TASKS, task_form
from st_vlm.recordings import Source, open_recordings

BUILD_FILE = "stkit.json"
METADATA_FILE = "metadata.parquet"
DROPPED_FILE = "dropped.parquet"
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class BuildSettings:
    """What a build depends on: the same settings over the same files give the same bytes.

    Attributes:
        source, path, source_options: As for `open_recordings`.
        seed: Of clips, marks, words and balancing.
        cameras: Names of the cameras to use; None: all of them.
        tasks: Task ids.
        balance: Whether rows are dropped until the set is balanced.
        video: False: no image is read and no clip written; rows keep their boxes, and `video` is null.
    """

    source: str
    path: str | None = None
    seed: int = 0
    cameras: tuple[str, ...] | None = None
    tasks: tuple[str, ...] = tuple(TASKS)
    balance: bool = True
    video: bool = True
    source_options: dict = field(default_factory=dict)

    def __post_init__(self) -> None:
        for task in self.tasks:
            task_form(task)

    def open(self) -> Source:
        """The recordings.

        Raises:
            InputError: As `open_recordings`.
        """
        return open_recordings(self.source, self.path, **self.source_options)

    def anywhere(self) -> BuildSettings:
        """The same with the absolute path of files on disk, which a worker in another current folder finds too."""
        if self.path is None or not os.path.exists(self.path):
            return self
        return replace(self, path=os.path.abspath(self.path))

    def fingerprint(self) -> str:
        """Text that differs between builds whose shards must not be mixed: other settings, or other code."""
        return json.dumps({**asdict(self), "code": code_hash()}, sort_keys=True)

    @classmethod
    def from_fingerprint(cls, text: str) -> BuildSettings:
        """The settings in a `fingerprint`, for a worker on another machine."""
        found = {name: value for name, value in json.loads(text).items() if name != "code"}
        for name in ("cameras", "tasks"):
            found[name] = None if found[name] is None else tuple(found[name])
        return cls(**found)
