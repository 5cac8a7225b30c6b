"""Which clips are shown: a few of many, spread over splits, recordings and tasks, the same ones every time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from st_vlm.viewing.folder import ClipEntry


def choose(entries: Sequence[ClipEntry], most: int) -> list[ClipEntry]:
    """At most `most` clips, in the order in which they were given.

    One after another is taken from the split shown least, within it from the recording shown least, and of that
    recording's clips the one that asks the task shown least; the first of equals.
    """
    if len(entries) <= most:
        return list(entries)
    waiting: dict[str, dict[str, list[int]]] = {}
    for k, entry in enumerate(entries):
        waiting.setdefault(entry.split, {}).setdefault(entry.recording, []).append(k)
    by_split: Counter[str] = Counter()
    by_recording: Counter[tuple[str, str]] = Counter()
    by_task: Counter[str] = Counter()
    chosen = []
    for _ in range(most):
        split = min(waiting, key=by_split.__getitem__)
        recording = min(waiting[split], key=lambda name: by_recording[split, name])
        clips = waiting[split][recording]
        best = min(clips, key=lambda k: min((by_task[task] for task in entries[k].tasks), default=0))
        chosen.append(best)
        by_split[split] += 1
        by_recording[split, recording] += 1
        by_task.update(set(entries[best].tasks))
        clips.remove(best)
        if not clips:
            del waiting[split][recording]
        if not waiting[split]:
            del waiting[split]
    return [entries[k] for k in sorted(chosen)]
