"""Sections of the dataset card that are tables: columns, counts, baselines that never look, what was left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from st_vlm.recordings.drops import RULES

COLUMNS = {
    "video": "the clip: H.264, one frame every 0.5 s with real timestamps, without the marks; null where it is "
    "not here",
    "id": "of the question, unique in the set",
    "clip_id": "of the clip; many questions share one",
    "recording": "the source's own name of the recording",
    "start_ns": "the clip's first frame on the source's clock, nanoseconds",
    "source": "which data set the recording is from",
    "domain": "driving, sports, simulated or general",
    "provenance": "annotated or pseudo: where the 3D tracks come from",
    "task": "what is asked",
    "question": "the question",
    "answer": "the answer as a sentence",
    "messages": "question and answer as a conversation",
    "target": "the typed truth: the fields that the task's answer has, the others null",
    "span": "start and end of what is measured, seconds of the clip",
    "marks": "each marked object's colour, category, track and one box a frame (xyxy pixels of the video, null where "
    "it is not seen)",
    "timestamps": "of the frames, seconds from the first",
    "camera": "name, intrinsics (pixels of the video), size (width, height), lens, height above the ground "
    "(metres) and a pose a frame (4x4, world from camera, OpenCV axes, metres)",
    "asked": "what the question states: marks by their place in `marks`, whether it names its span, and an hour, "
    "metres or a second where it gives one",
    "reasoning": "of reasoning questions: the version of the knowledge, premises and steps",
    "phrasing": "ids of the wordings of question and answer",
    "quality": "expected error of the truth, null where it is annotated",
    "source_frames": "the frames' files within the source's own folder; empty where it has none",
    "licence": "of the recording",
}

LIMITS = """\
- Motion is horizontal and in the world frame, on a grid of 0.5 s: what happens between two steps, and up or down a
  slope, is not measured.
- The truth is as good as the source's boxes and poses. Tracks that break the laws of motion are left out; smaller
  faults stay.
- Objects that neither clearly move nor clearly stand, that are small, cut off or hidden, and motions near a limit
  between two answers are not asked about. The questions are easier than the road.
- Recordings are never in two splits, but places may be.
- Clips have at most 40 frames and 800 pixels a side. Sound is not kept.
- Made for teaching and testing models that look at videos, not for any decision about traffic or people."""


def column_table(names: Sequence[str]) -> str:
    """Names and meanings of a table's columns."""
    lines = ["| column | what it holds |", "|---|---|"]
    return "\n".join([*lines, *(f"| `{name}` | {COLUMNS.get(name, '')} |" for name in names)])


def count_table(counts: Mapping[str, Mapping[str, int]]) -> str:
    """Rows by task and split."""
    tasks = list(dict.fromkeys(task for by_task in counts.values() for task in by_task))
    lines = [f"| task | {' | '.join(counts)} |", f"|---|{'---:|' * len(counts)}"]
    lines += [f"| `{task}` | " + " | ".join(str(n.get(task, 0)) for n in counts.values()) + " |" for task in tasks]
    return "\n".join([*lines, "| all | " + " | ".join(str(sum(n.values())) for n in counts.values()) + " |"])


def balance_table(balance: Mapping) -> str:
    """What baselines that never look get right, in percent, task by task, with the most that is meant to be possible.

    Args:
        balance: `shares`: split -> task -> baseline -> share; `goals`: task -> baseline -> largest share wanted.
    """
    shares, goals = balance["shares"], balance.get("goals", {})
    lines = [f"| task | baseline | {' | '.join(shares)} | at most |", f"|---|---|{'---:|' * (len(shares) + 1)}"]
    pairs = dict.fromkeys(
        (task, name) for by_task in shares.values() for task, found in by_task.items() for name in found
    )
    for task, name in pairs:
        found = (of_split.get(task, {}).get(name) for of_split in shares.values())
        cells = [*map(_percent, found), _percent(goals.get(task, {}).get(name))]
        lines.append(f"| `{task}` | {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def left_out_table(dropped: Mapping[str, Mapping[str, int]], failures: int) -> str:
    """What the rules left out, and how many recordings could not be used."""
    lines = [f"Could not be used: {failures} (recording and camera).\n"] if failures else []
    if not dropped:
        return "\n".join([*lines, "Nothing."])
    lines += ["| an object is not asked about while … | objects | stretches of time |", "|---|---:|---:|"]
    lines += [f"| {RULES.get(rule, rule)} | {n['tracks']} | {n['spans']} |" for rule, n in dropped.items()]
    return "\n".join(lines)


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"
