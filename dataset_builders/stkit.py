"""STKit for `datasets`: `load_dataset("stkit", "simulated")`, or `load_dataset("stkit", "nuscenes", data_dir=…)`.

The builder runs the same build as `st-vlm build` into the cache and reads its rows; a `data_dir` that is a built
folder is read as it is. Videos stay files: a row's `video` is `{"path": …, "bytes": None}`.
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
from st_vlm.building.build import BUILD_FILE, METADATA_FILE, SPLITS, BuildSettings, build
from st_vlm.building.code import code_hash
from st_vlm.errors import InputError
from st_vlm.questions.answers import TASKS
from st_vlm.questions.rows import ROW_SCHEMA
from st_vlm.recordings import SOURCE_NAMES

logger = logging.getLogger(__name__)

_DESCRIPTION = "Questions about how far, how fast and which way marked objects of a video move, with exact answers."


@dataclass
class STKitConfig(datasets.BuilderConfig):
    """One source.

    Attributes:
        data_dir: The source's recordings, or a folder that `st-vlm build` wrote. `simulated` needs none.
        seed: Of the build (and of the scenes of `simulated`).
        num_recordings: How many scenes `simulated` makes; None: the source's default.
        cameras: Name or names of the cameras to use; None: all that have images.
        tasks: A task id or several; None: all seven.
        build_proc: Worker processes of the build; rows do not depend on it.
    """

    seed: int = 0
    num_recordings: int | None = None
    cameras: tuple[str, ...] | None = None
    tasks: tuple[str, ...] | None = None
    build_proc: int = 1

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
            source_options=options,
        )


class STKit(datasets.GeneratorBasedBuilder):
    """Builds, or finds, a dataset folder and yields its rows."""

    VERSION = datasets.Version(__version__)
    BUILDER_CONFIG_CLASS = STKitConfig
    BUILDER_CONFIGS = [  # noqa: RUF012  (the name that datasets reads)
        STKitConfig(name=name, version=datasets.Version(__version__), description=f"{_DESCRIPTION} Source: {name}.")
        for name in SOURCE_NAMES
    ]
    DEFAULT_CONFIG_NAME = "simulated"

    def __init__(self, *args, data_dir: str | None = None, hash: str | None = None, **kwargs) -> None:
        # What names the cache's folder must change with the code, the folder meant, and the content of a built folder.
        data_dir = None if data_dir is None else os.path.abspath(os.path.expanduser(data_dir))
        kwargs["data_files"] = None if data_dir is None else _built_files(Path(data_dir))
        super().__init__(*args, data_dir=data_dir, hash=hash or code_hash(), **kwargs)

    def _info(self) -> datasets.DatasetInfo:
        features = {"video": datasets.Video(decode=False), **datasets.Features.from_arrow_schema(ROW_SCHEMA)}
        return datasets.DatasetInfo(description=_DESCRIPTION, features=datasets.Features(features))

    def _split_generators(self, dl_manager: datasets.DownloadManager) -> list[datasets.SplitGenerator]:
        folder = self._folder(force=bool(dl_manager.download_config and dl_manager.download_config.force_download))
        return [
            datasets.SplitGenerator(name=split, gen_kwargs={"folder": str(folder / split)})
            for split in SPLITS
            if (folder / split / METADATA_FILE).is_file()
        ]

    def _generate_examples(self, folder: str):
        file = Path(folder) / METADATA_FILE
        try:
            for batch in pq.ParquetFile(file).iter_batches(batch_size=64):
                for row in batch.to_pylist():
                    video = Path(folder) / row.pop("file_name")
                    yield row["id"], {"video": {"path": str(video), "bytes": None}, **row}
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{file} cannot be read as Parquet ({error}). Build the folder again.") from None

    def _folder(self, force: bool) -> Path:
        """The built folder: `data_dir` if it is one, else the cache's, built where it is missing or `force`d."""
        if self.config.data_dir is not None:
            given = Path(self.config.data_dir)
            if (given / BUILD_FILE).is_file():
                self._check_built(given)
                return given
        folder = Path(self._cache_dir_root).absolute() / "stkit_builds" / self.config_id / str(self.hash)
        if force:
            shutil.rmtree(folder, ignore_errors=True)
            # The rows of the cached build are no measure for the new one, which may have more.
            self.info.splits = None
        if not (folder / BUILD_FILE).is_file():
            folder.parent.mkdir(parents=True, exist_ok=True)
            report = build(self.config.settings(), folder, num_proc=self.config.build_proc)
            for sentence in report.failures:
                logger.warning("Left out: %s", sentence)
            if report.failures:
                logger.warning('Once repaired, load with download_mode="force_redownload" to have them, too.')
        return folder

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
                f"{folder} is built already, so seed, cameras, tasks and num_recordings change nothing there. "
                "Leave them out, or give the folder of the recordings."
            )


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
