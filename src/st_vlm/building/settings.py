"""What a build depends on, and the names of what it writes."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field, replace

from st_vlm.balance.selection import BALANCES, Balance
from st_vlm.building.code import code_hash
from st_vlm.errors import InputError
from st_vlm.questions.forms import TASKS, task_names
from st_vlm.recordings import Source, open_recordings

BUILD_FILE = "stkit.json"
METADATA_FILE = "metadata.parquet"
BALANCE_FILE = "balance.json"
DROPPED_FILE = "dropped.parquet"
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class BuildSettings:
    """What a build depends on: the same settings over the same files give the same bytes.

    Attributes:
        source, path, source_options: As for `open_recordings`.
        seed: Of clips, marks, words and balancing.
        cameras: Names of the cameras to use; None: all of them.
        tasks: Task ids; names of `forms.TASK_GROUPS` stand for all of theirs.
        balance: How far rows are dropped until guessing does not pay: `full` refuses a set that is too small for that,
            `partial` takes what there is, `none` drops nothing. Shards do not depend on it.
        recordings: Ids of the recordings to use; None: all of them.
        questions: Ids of the questions to keep, and no other, in place of balancing; None: all.
        video: False: no image is read and no clip written; rows keep their boxes, and `video` is null.
    """

    source: str
    path: str | None = None
    seed: int = 0
    cameras: tuple[str, ...] | None = None
    tasks: tuple[str, ...] = tuple(TASKS)
    balance: Balance = "partial"
    recordings: tuple[str, ...] | None = None
    questions: tuple[str, ...] | None = None
    video: bool = True
    source_options: dict = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "tasks", task_names(self.tasks))
        if self.balance not in BALANCES:
            raise InputError(f"The balance of a build is one of {', '.join(BALANCES)}, not {self.balance!r}.")

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
        """Text that differs between builds of other settings or other code."""
        return json.dumps({**asdict(self), "code": code_hash()}, sort_keys=True)

    def shares_shards_with(self, fingerprint: str) -> bool:
        """Whether shards that were written under another's `fingerprint` are those that these settings give."""
        mine, other = (json.loads(text) for text in (self.fingerprint(), fingerprint))
        return {**mine, "balance": None} == {**other, "balance": None}

    @classmethod
    def from_fingerprint(cls, text: str) -> BuildSettings:
        """The settings in a `fingerprint`, for a worker on another machine."""
        found = {name: value for name, value in json.loads(text).items() if name != "code"}
        for name in ("cameras", "tasks", "recordings", "questions"):
            found[name] = None if found[name] is None else tuple(found[name])
        return cls(**found)
