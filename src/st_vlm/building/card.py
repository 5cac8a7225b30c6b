"""The built folder's README: the YAML that lets stock `datasets` load it, and the facts of the build."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import yaml

from st_vlm.questions.rows import ROW_SCHEMA

_TEXT = """\
# STKit: {source}

Questions about how far, how fast and which way the marked objects of a video move, with exact answers measured on 3D
tracks. Built by st-vlm {version} with seed {seed}.

```python
from datasets import load_dataset

dataset = load_dataset("path/to/this/folder")
```

Every row is one question. `video` is the path of its clip: one frame every 0.5 s with real timestamps, without the
marks; `marks` holds each marked object's colour and its box per frame (xyxy pixels, null where it is not seen).
`target` is the typed truth, `span` the clip's seconds over which it is measured. Metres, seconds, km/h; hours of the
clock turn clockwise seen from above, with 12 o'clock the way the object itself first moved.

| split | {tasks} |
|---|{rules}|
{table}

`datasets` remembers where it found a folder's videos: after moving the folder, load it once with
`download_mode="force_redownload"`.

Licence of the recordings: {licences}. {left_out}
"""


def dataset_card(counts: Mapping[str, Mapping[str, int]], facts: Mapping[str, object]) -> str:
    """The README's text.

    Args:
        counts: Rows by split and task.
        facts: `source`, `version`, `seed`, `sha256` of the rows, `licences` and `left_out` (a sentence, may be
            empty).
    """
    header = {
        "license": "other",
        "task_categories": ["video-text-to-text", "visual-question-answering"],
        "tags": ["spatio-temporal", "kinematics", "video"],
        "configs": [
            {
                "config_name": "default",
                # `datasets` tells cached folders of one name apart by this header alone, not by where they lie.
                "description": f"STKit, {facts['source']}, rows {facts['sha256']}",
                "data_files": [{"split": split, "path": f"{split}/**"} for split in counts],
                # Given here, not under dataset_info, because only this makes the loader leave videos undecoded.
                "features": [{"name": "video", "dtype": {"video": {"decode": False}}}, *_features(ROW_SCHEMA)],
            }
        ],
    }
    tasks = list(dict.fromkeys(task for by_task in counts.values() for task in by_task))
    table = "\n".join(
        f"| {split} | " + " | ".join(str(by_task.get(task, 0)) for task in tasks) + " |"
        for split, by_task in counts.items()
    )
    text = _TEXT.format(tasks=" | ".join(tasks), rules="|".join("---" for _ in tasks), table=table, **facts)
    return f"---\n{yaml.safe_dump(header, sort_keys=False)}---\n{text.rstrip()}\n"


def _features(fields: pa.Schema | pa.StructType) -> list[dict]:
    """Arrow fields in the form in which `datasets` writes features to YAML."""
    return [{"name": field.name, **_type(field.type)} for field in fields]


def _type(kind: pa.DataType) -> dict:
    if pa.types.is_struct(kind):
        return {"struct": _features(kind)}
    if pa.types.is_list(kind):
        item = _type(kind.value_type)
        return {"list": item.get("dtype") or item.get("struct") or item}
    return {"dtype": {"double": "float64"}.get(str(kind), str(kind))}
