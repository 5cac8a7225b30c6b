"""STKit for `datasets`: `load_dataset("stkit", "simulated")`, or `load_dataset("stkit", "nuscenes", data_dir=…)`.

The builder runs the same build as `st-vlm build` into the cache and reads its rows; a `data_dir` that is a built
folder is read as it is. With `streaming=True` recordings are asked about one after the other, so that the first row
comes at once; only a whole build is balanced. Videos stay files: a row's `video` is `{"path": …, "bytes": None}`.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
from datasets.data_files import DataFilesDict, DataFilesList

from st_vlm import __version__
from st_vlm.building.build import build
from st_vlm.building.code import code_hash
from st_vlm.building.settings import BALANCE_FILE, BUILD_FILE, METADATA_FILE, SPLITS, BuildSettings
from st_vlm.building.streaming import stream_rows
from st_vlm.errors import InputError
from st_vlm.evaluation.baselines import above_goal
from st_vlm.pseudo_labels.files import QUESTIONS
from st_vlm.questions.forms import TASKS
from st_vlm.questions.rows import ROW_SCHEMA
from st_vlm.recordings import source_names

logger = logging.getLogger(__name__)

# Of a folder of pseudo-labels: with one of these its clips are asked about anew.
_ASKED_ANEW = {"seed", "tasks", "balance", "video", "source_options"}
_DESCRIPTION = "Questions about how far, how fast and which way marked objects of a video move, with exact answers."


@dataclass
class STKitConfig(datasets.BuilderConfig):
    """One source.

    Attributes:
        data_dir: The source's recordings, or a folder that `st-vlm build` wrote. `simulated` needs none; `pseudo`
            takes what `st-vlm pseudo-label` wrote.
        seed: Of the build (and of the scenes of `simulated`).
        num_recordings: How many scenes `simulated` makes; None: the source's default.
        cameras: Name or names of the cameras to use; None: all that have images.
        tasks: A task id or several; None: all seven.
        balance: As for `st-vlm build`: `full`, `partial` (take what there is) or `none`.
        build_proc: Worker processes of the build; rows do not depend on it.
        video: False: no image is read; rows keep their boxes, and `video` is None.
        source_options: Options of the source's reader, such as `{"sweeps": True}`.
    """

    seed: int = 0
    num_recordings: int | None = None
    cameras: tuple[str, ...] | None = None
    tasks: tuple[str, ...] | None = None
    balance: str = "partial"
    build_proc: int = 1
    video: bool = True
    source_options: dict | None = None

    def settings(self) -> BuildSettings:
        """The build that this configuration asks for."""
        options = {}
        if self.name == "simulated":
            options = {"seed": self.seed}
            if self.num_recordings is not None:
                options["num_recordings"] = self.num_recordings
        return BuildSettings(
            source=self.name,
            path=None if self.data_dir is None else str(self.data_dir),
            seed=self.seed,
            cameras=None if self.cameras is None else _names(self.cameras),
            tasks=tuple(TASKS) if self.tasks is None else _names(self.tasks),
            balance=self.balance,
            video=self.video,
            source_options=options | (self.source_options or {}),
        )


class STKit(datasets.GeneratorBasedBuilder):
    """Builds, or finds, a dataset folder and yields its rows."""

    VERSION = datasets.Version(__version__)
    BUILDER_CONFIG_CLASS = STKitConfig
    BUILDER_CONFIGS = [  # noqa: RUF012  (the name that datasets reads)
        STKitConfig(name=name, version=datasets.Version(__version__), description=f"{_DESCRIPTION} Source: {name}.")
        for name in source_names()
    ]
    DEFAULT_CONFIG_NAME = "simulated"

    def __init__(self, *args, data_dir: str | None = None, hash: str | None = None, **kwargs) -> None:
        # What names the cache's folder must change with the code, the folder meant, and the content of a built folder.
        data_dir = None if data_dir is None else os.path.abspath(os.path.expanduser(data_dir))
        if kwargs.get("config_name") == "pseudo" and data_dir is not None and not _ASKED_ANEW & set(kwargs):
            data_dir = _questions_of(data_dir)
        kwargs["data_files"] = None if data_dir is None else _built_files(Path(data_dir))
        super().__init__(*args, data_dir=data_dir, hash=hash or code_hash(), **kwargs)

    def _info(self) -> datasets.DatasetInfo:
        features = {"video": datasets.Video(decode=False), **datasets.Features.from_arrow_schema(ROW_SCHEMA)}
        return datasets.DatasetInfo(description=_DESCRIPTION, features=datasets.Features(features))

    def _split_generators(self, dl_manager: datasets.DownloadManager) -> list[datasets.SplitGenerator]:
        if dl_manager.is_streaming and not self._is_built():
            return self._streamed_splits()
        folder = self._folder(force=bool(dl_manager.download_config and dl_manager.download_config.force_download))
        return [
            datasets.SplitGenerator(name=split, gen_kwargs={"folder": str(folder / split)})
            for split in SPLITS
            if (folder / split / METADATA_FILE).is_file()
        ]

    def _streamed_splits(self) -> list[datasets.SplitGenerator]:
        """The splits of a source that is streamed recording by recording; each is one shard of the stream."""
        source = self.config.settings().open()
        members: dict[str, list[str]] = {split: [] for split in SPLITS}
        for recording_id in source.recording_ids():
            members[source.split(recording_id)].append(recording_id)
        return [
            datasets.SplitGenerator(name=split, gen_kwargs={"folder": None, "recordings": recordings})
            for split, recordings in members.items()
            if recordings
        ]

    def _generate_examples(self, folder: str | None, recordings: list[str] | None = None):
        if folder is None:
            for row in stream_rows(self.config.settings(), recordings, self._cached("stkit_streams")):
                yield row["id"], row
            return
        file = Path(folder) / METADATA_FILE
        try:
            for batch in pq.ParquetFile(file).iter_batches(batch_size=64):
                for row in batch.to_pylist():
                    name = row.pop("file_name", None)
                    video = None if name is None else {"path": str(Path(folder) / name), "bytes": None}
                    yield row["id"], {**row, "video": video}
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{file} cannot be read as Parquet ({error}). Build the folder again.") from None

    def _is_built(self) -> bool:
        """Whether `data_dir` is a folder that `st-vlm build` wrote."""
        return self.config.data_dir is not None and (Path(self.config.data_dir) / BUILD_FILE).is_file()

    def _cached(self, kind: str) -> Path:
        """This configuration's own folder in the cache."""
        return Path(self._cache_dir_root).absolute() / kind / self.config_id / str(self.hash)

    def _folder(self, force: bool) -> Path:
        """The built folder: `data_dir` if it is one, else the cache's, built where it is missing or `force`d."""
        if self._is_built():
            self._check_built(Path(self.config.data_dir))
            return Path(self.config.data_dir)
        folder = self._cached("stkit_builds")
        if force:
            shutil.rmtree(folder, ignore_errors=True)
            # The rows of the cached build are no measure for the new one, which may have more.
            self.info.splits = None
        if not (folder / BUILD_FILE).is_file():
            folder.parent.mkdir(parents=True, exist_ok=True)
            failures = self._build(folder)
            for sentence in failures:
                logger.warning("Left out: %s", sentence)
            if failures:
                logger.warning('Once repaired, load with download_mode="force_redownload" to have them, too.')
        return folder

    def _build(self, folder: Path) -> tuple[str, ...]:
        """Build into the cache's folder, and return a sentence for every recording that was left out."""
        settings = self.config.settings()
        report = build(settings, folder, num_proc=self.config.build_proc)
        guessed = [task for task, *_ in above_goal(report.balance["shares"].get("train", {}))]
        if guessed and settings.balance != "none":
            logger.warning(
                "The set is too small to be balanced in full; guessing scores more than it should on %s (see %s).",
                ", ".join(dict.fromkeys(guessed)),
                folder / BALANCE_FILE,
            )
        return report.failures

    def _check_built(self, folder: Path) -> None:
        """Refuse a configuration that a folder, built long ago, does not follow."""
        try:
            source = json.loads((folder / BUILD_FILE).read_text(encoding="utf-8"))["source"]
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise InputError(f"{folder / BUILD_FILE} cannot be read ({error}). Build the folder again.") from None
        if source != self.config.name:
            raise InputError(f'{folder} was built from {source}: load_dataset("stkit", "{source}", data_dir=…).')
        settings = self.config.settings()
        untouched = STKitConfig(name=self.config.name, data_dir=self.config.data_dir).settings()
        if settings != untouched:
            raise InputError(
                f"{folder} is built already, so seed, cameras, tasks, num_recordings, balance, video and "
                "source_options change nothing there. Leave them out, or give the folder of the recordings."
            )


def _questions_of(data_dir: str) -> str:
    """The questions that `st-vlm pseudo-label` built within its folder, where it did."""
    questions = Path(data_dir) / QUESTIONS
    return str(questions) if (questions / BUILD_FILE).is_file() else data_dir


def _names(given: str | Iterable[str]) -> tuple[str, ...]:
    """One name or several."""
    return (given,) if isinstance(given, str) else tuple(given)


def _built_files(folder: Path) -> DataFilesDict | None:
    """The tables of a built folder with size and time of change, from which `datasets` sees that it was built anew."""
    if not (folder / BUILD_FILE).is_file():
        return None
    tables = {split: folder / split / METADATA_FILE for split in SPLITS}
    found = {split: (str(path), path.stat()) for split, path in tables.items() if path.is_file()}
    return DataFilesDict(
        {
            split: DataFilesList([path], [(str(about.st_mtime_ns), str(about.st_size))])
            for split, (path, about) in found.items()
        }
    )
