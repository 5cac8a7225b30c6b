"""The YAML on top of a dataset card: what stock `datasets` loads a folder by, and what the Hub sorts it by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from st_vlm.building.settings import METADATA_FILE
from st_vlm.questions.rows import ROW_SCHEMA

# Licences of the sources as the Hub names them; any other is `other`, with its name beside it.
HUB_LICENCES = {
    "Apache-2.0": "apache-2.0",
    "CC-BY-4.0": "cc-by-4.0",
    "CC-BY-NC-4.0": "cc-by-nc-4.0",
    "CC-BY-NC-SA-3.0": "cc-by-nc-sa-3.0",
    "CC-BY-NC-SA-4.0": "cc-by-nc-sa-4.0",
    "CC-BY-SA-4.0": "cc-by-sa-4.0",
    "CC0-1.0": "cc0-1.0",
    "MIT": "mit",
}
_SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
)
_LARGEST = "10M<n<100M"


def card_header(
    counts: Mapping[str, int],
    title: str,
    description: str,
    licences: Sequence[str],
    clips: Mapping[str, str | None],
    schema: pa.Schema = ROW_SCHEMA,
) -> dict:
    """The header's content, to be written as YAML.

    Args:
        counts: Rows by split.
        title: The set's name.
        description: What tells this content from any other: `datasets` tells cached folders of one name apart by the
            header alone, not by where they lie.
        licences: Of the rows.
        clips: Split -> path of one of its clips within the folder, or None for a split that has none.
        schema: Of the tables, without their column for the video.
    """
    return {
        "pretty_name": f"STKit: {title}",
        "language": ["en"],
        **licence_fields(licences),
        "annotations_creators": ["machine-generated"],
        "task_categories": ["video-text-to-text", "visual-question-answering"],
        "size_categories": [size_category(sum(counts.values()))],
        "tags": ["spatio-temporal", "kinematics", "video"],
        "configs": [
            {
                "config_name": "default",
                "description": description,
                "data_files": [{"split": split, "path": _files(split, clips)} for split in counts],
                # Given here, not under dataset_info, because only this makes the loader leave videos undecoded.
                "features": [{"name": "video", "dtype": {"video": {"decode": False}}}, *_features(schema)],
                # Else a stream from the Hub decodes all the same, with a library that may not be installed.
                **({"decode_num_threads": 0} if any(clips.values()) else {}),
            }
        ],
    }


def licence_fields(licences: Sequence[str]) -> dict:
    """`license`, with the name of one that the Hub does not know.

    >>> licence_fields(["CC0-1.0"])
    {'license': 'cc0-1.0'}
    >>> licence_fields(["Ego-Exo4D License"])
    {'license': 'other', 'license_name': 'ego-exo4d-license'}
    """
    known = sorted({HUB_LICENCES.get(licence, "other") for licence in licences}) or ["other"]
    unknown = [licence for licence in licences if licence not in HUB_LICENCES]
    fields = {"license": known[0] if len(known) == 1 else known}
    if unknown:
        fields["license_name"] = "-and-".join("-".join(licence.lower().split()) for licence in unknown)
    return fields


def size_category(rows: int) -> str:
    """The Hub's class of a number of rows.

    >>> size_category(999), size_category(1000)
    ('n<1K', '1K<n<10K')
    """
    return next((name for most, name in _SIZES if rows < most), _LARGEST)


def _files(split: str, clips: Mapping[str, str | None]) -> str | list[str]:
    """The files of a split, by which `datasets` also chooses its loader: clips make it a video folder.

    A set has one loader. So a split without clips beside others that have some names a clip of theirs, which none of
    its rows shows.
    """
    some = next((clip for clip in clips.values() if clip is not None), None)
    if some is None:
        return f"{split}/{METADATA_FILE}"
    return f"{split}/**" if clips[split] is not None else [f"{split}/{METADATA_FILE}", some]


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
