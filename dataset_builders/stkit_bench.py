"""STKit-Bench for `datasets`: `load_dataset("stkit_bench", split="test")`.

The frozen questions of one source: the simulated ones without a download, others from the user's own recordings
(`load_dataset("stkit_bench", "nuplan", data_dir=…, manifest=…)`). What is built is checked against the manifest's
hashes, so that a score on it is a score on the very questions that were frozen. A `data_dir` that is a built folder is
checked and read as it is.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path

import datasets
from st_vlm.dataset_builders.stkit import STKit

from st_vlm.bench.building import build_bench, refuse_other_questions
from st_vlm.bench.manifest import Manifest, load_manifest
from st_vlm.building.code import code_hash
from st_vlm.errors import InputError
from st_vlm.recordings import source_names

logger = logging.getLogger(__name__)


@dataclass
class STKitBenchConfig(datasets.BuilderConfig):
    """One source's part of a benchmark.

    Attributes:
        data_dir: The source's recordings, or a folder of this benchmark that was built before. `simulated` needs none.
        manifest: File of the manifest; None: that of the simulated benchmark.
        build_proc: Worker processes of the build; rows do not depend on it.
        video: False: no image is read; rows keep their boxes, and `video` is None.
    """

    manifest: str | None = None
    build_proc: int = 1
    video: bool = True

    def frozen(self) -> Manifest:
        """The manifest. Raises InputError where it cannot be read."""
        return load_manifest(self.manifest)


class STKitBench(STKit):
    """Builds, or finds, the questions of a manifest and yields their rows."""

    BUILDER_CONFIG_CLASS = STKitBenchConfig
    BUILDER_CONFIGS = [  # noqa: RUF012  (the name that datasets reads)
        STKitBenchConfig(name=name, version=STKit.VERSION, description=f"STKit-Bench, its part from {name}.")
        for name in source_names()
    ]
    DEFAULT_CONFIG_NAME = "simulated"

    def __init__(self, *args, hash: str | None = None, manifest: str | None = None, **kwargs) -> None:
        # Another manifest under the same file name is another benchmark, so its hash is part of the cache's name.
        frozen = load_manifest(manifest).sha256
        digest = hashlib.sha256(f"{hash or code_hash()} {frozen}".encode()).hexdigest()
        super().__init__(*args, hash=digest, manifest=manifest, **kwargs)

    def _split_generators(self, dl_manager: datasets.DownloadManager) -> list[datasets.SplitGenerator]:
        folder = self._folder(force=bool(dl_manager.download_config and dl_manager.download_config.force_download))
        return [datasets.SplitGenerator(name="test", gen_kwargs={"folder": str(folder / "test")})]

    def _build(self, folder: Path) -> tuple[str, ...]:
        config = self.config
        report = build_bench(config.frozen(), config.name, folder, config.data_dir, config.build_proc, config.video)
        return report.failures

    def _check_built(self, folder: Path) -> None:
        if not self.config.video:
            raise InputError(f"{folder} is built already, so video=False changes nothing there: leave it out.")
        refuse_other_questions(folder, self.config.frozen(), self.config.name, str(folder))
