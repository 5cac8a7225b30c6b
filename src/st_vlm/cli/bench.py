"""`st-vlm bench` and `st-vlm freeze`: frozen benchmarks, built and made."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from st_vlm.bench.building import build_bench
from st_vlm.bench.freezing import freeze
from st_vlm.bench.manifest import load_manifest, refuse_other_file, save_manifest
from st_vlm.building.settings import BuildSettings
from st_vlm.cli.build import tell_left_out
from st_vlm.cli.output import print_table, say
from st_vlm.questions.forms import ALL_TASKS


def bench(
    out: Path,
    manifest: Path | None,
    source: str,
    data: Path | None,
    num_proc: int,
    video: bool,
    form: Literal["table", "json"],
) -> int:
    """Build one source's part of a frozen benchmark and return the exit code: 0, or 130 by Ctrl-C.

    Raises:
        InputError: It cannot be built, or is not what was frozen.
    """
    frozen = load_manifest(manifest)
    try:
        report = build_bench(frozen, source, out, data, num_proc, video)
    except KeyboardInterrupt:
        say("st-vlm: interrupted. Finished shards are kept: run the same command again to go on.")
        return 130
    counts = report.counts["test"]
    if form == "json":
        facts = {"out": str(out), "name": frozen.name, "version": frozen.version, "sha256": frozen.sha256}
        print(json.dumps(facts | {"rows": counts, "clips": report.clips}, indent=2))
    else:
        print_table(["task", "questions"], [[task, count] for task, count in counts.items()])
    for sentence in report.failures:
        say(f"st-vlm: {sentence}")
    say(
        f"{frozen.name}, version {frozen.version}: {sum(counts.values())} questions on {report.clips} clips in {out}, "
        f"as frozen (SHA-256 {frozen.sha256[:12]})."
    )
    return 0


def freeze_bench(
    out: Path,
    sources: Sequence[BuildSettings],
    name: str,
    version: int,
    a_task: int,
    fewer: bool,
    num_proc: int,
) -> int:
    """Choose a benchmark's questions, write their manifest and return the exit code: 0, 1 where some recordings
    were left out, or 130 by Ctrl-C.

    Raises:
        InputError: The questions are too few, or the file cannot be written.
    """
    refuse_other_file(out)
    try:
        found = freeze(name, sources, a_task, version, fewer, num_proc)
    except KeyboardInterrupt:
        say("st-vlm: interrupted. Nothing was written.")
        return 130
    manifest = found.manifest
    save_manifest(manifest, out)
    # Ids end in `-{task}-{number}`.
    count = Counter(question.rpartition("-")[0].rpartition("-")[2] for question in manifest.hashes)
    print_table(["task", "questions"], [[task, count[task]] for task in ALL_TASKS if count[task]])
    say(f"{len(manifest.hashes)} questions of {manifest.name} are frozen in {out} (SHA-256 {manifest.sha256[:12]}).")
    tell_left_out(found.without_images, found.failures, sources[0].video)
    return 1 if found.failures else 0
