"""A dataset folder as `st-vlm build` writes it, small enough to tune on in a test: drawn clips, all seven tasks."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from st_vlm.building.card import CardFacts, dataset_card
from st_vlm.questions.forms import TASKS
from st_vlm.questions.rows import ROW_SCHEMA, messages, to_table
from st_vlm.video.encoding import write_video

WIDTH, HEIGHT = 96, 64
_ANSWERED = {
    "traveled_distance": ("How far does the object marked by the red box travel?", "It travels {value:.2f} meters."),
    "traveling_speed": ("How fast is the object marked by the red box?", "It moves at {value:.2f} km/h."),
    "moving_direction": ("Which way does the object marked by the red box end up moving?", "Toward {hour} o'clock."),
    "direction_timestamp": (
        "When does the object marked by the red box go toward 3 o'clock?",
        "From 0.0 to 1.0 seconds.",
    ),
    "traveled_distance_comparison": (
        "Which travels farther, the object marked by the red box or the one marked by the blue box?",
        "The object marked by the red box travels farther.",
    ),
    "traveling_speed_comparison": (
        "Which is faster, the object marked by the red box or the one marked by the blue box?",
        "The object marked by the blue box is faster.",
    ),
    "moving_direction_comparison": (
        "Do the objects marked by the red box and by the blue box move in the same direction?",
        "They move in different directions.",
    ),
}
_CHOICES = {
    "traveled_distance_comparison": "red",
    "traveling_speed_comparison": "blue",
    "moving_direction_comparison": "different",
}


def micro_rows(folder: Path, clips: int) -> list[dict]:
    """Seven questions on each of `clips` clips of 3, 4, … frames, whose videos are written into `folder`."""
    rows = []
    for number in range(clips):
        frames, clip_id = 3 + number % 3, f"micro-{number:02d}"
        times = [0.5 * k for k in range(frames)]
        boxes = {
            color: [[4.0 + step * k + row, row, 20.0 + step * k + row, row + 16.0] for k in range(frames)]
            for color, step, row in (("red", 4 + number, 8), ("blue", 2, 36))
        }
        pictures = [np.full((HEIGHT, WIDTH, 3), 90 + 10 * number, np.uint8) for _ in times]
        for k, picture in enumerate(pictures):
            for track in boxes.values():
                x1, y1, x2, y2 = map(int, track[k])
                picture[y1:y2, x1:x2] = 230
        write_video(folder / f"{clip_id}.mp4", pictures, times)
        shared = {
            "file_name": f"clips/{clip_id}.mp4",
            "clip_id": clip_id,
            "recording": clip_id,
            "source": "simulated",
            "domain": "simulated",
            "provenance": "annotated",
            "marks": [{"color": c, "category": "car", "track_id": c, "boxes": track} for c, track in boxes.items()],
            "timestamps": times,
            "span": {"start": 0.0, "end": times[-1]},
            "licence": "CC0-1.0",
        }
        for task, (question, answer) in _ANSWERED.items():
            value, hour = 3.25 + number, 1 + number % 12
            target = dict.fromkeys(("value", "unit", "hour", "start", "end", "choice", "vector"))
            if TASKS[task].unit:
                target |= {"value": value, "unit": TASKS[task].unit}
            elif task == "moving_direction":
                target |= {"hour": hour}
            elif task == "direction_timestamp":
                target |= {"start": 0.0, "end": 1.0}
            else:
                target |= {"choice": _CHOICES[task]}
            answer = answer.format(value=value, hour=hour)
            rows.append(
                {
                    **dict.fromkeys(ROW_SCHEMA.names),
                    **shared,
                    "id": f"{clip_id}-{task}",
                    "task": task,
                    "question": question,
                    "answer": answer,
                    "messages": messages(question, answer),
                    "target": target,
                }
            )
    return rows


def micro_folder(folder: Path, clips: int = 4) -> Path:
    """A built folder with the splits `train` and `test`, which hold the same clips; returns `folder`."""
    schema = ROW_SCHEMA.insert(0, ROW_SCHEMA.field("id").with_name("file_name"))
    for split in ("train", "test"):
        (folder / split / "clips").mkdir(parents=True)
        rows = micro_rows(folder / split / "clips", clips)
        pq.write_table(to_table(rows, schema), folder / split / "metadata.parquet")
    counts = {split: dict.fromkeys(TASKS, clips) for split in ("train", "test")}
    digest = hashlib.sha256(str(folder).encode()).hexdigest()
    facts = CardFacts("simulated", None, version="0", seed=0, sha256=digest, licences="CC0-1.0", failures=0)
    (folder / "README.md").write_text(dataset_card(counts, facts, {}), encoding="utf-8")
    (folder / "stkit.json").write_text(json.dumps({"rows": counts}), encoding="utf-8")
    return folder
