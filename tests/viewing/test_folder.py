"""Opening a built folder: what is refused, in one sentence that names the file."""

import json
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from viewed import SCENES, metadata

from st_vlm.errors import InputError
from st_vlm.viewing.folder import open_built


def test_it_knows_the_clips_without_reading_them(built_once):
    folder = open_built(built_once)
    rows = pq.read_table(metadata(built_once)).to_pylist()
    assert sorted(entry.clip_id for entry in folder.entries) == sorted({row["clip_id"] for row in rows})
    assert folder.recordings == SCENES
    [counts] = folder.counts().values()
    assert sum(counts.values()) == len(rows)
    entry = folder.entries[-1]
    found = folder.clip_rows(entry)
    assert [row["question"] for row in found] == [row["question"] for row in rows if row["clip_id"] == entry.clip_id]
    assert all(row["video"].is_file() for row in found)
    overview = folder.overview(entry.split, entry.recording)
    assert sorted(row["clip_id"] for row in overview) == [
        one.clip_id for one in folder.entries if one.recording == entry.recording
    ]


def without_column(path):
    table = pq.read_table(path)
    pq.write_table(table.drop_columns(["question"]), path)


def other_type(path):
    table = pq.read_table(path)
    column = pa.array([{"a": 1}] * len(table))
    pq.write_table(table.set_column(table.column_names.index("recording"), "recording", column), path)


def no_text(path):
    """A recording's name that is not UTF-8."""
    table = pq.read_table(path)
    column = pa.array([b"\xff\xfe"] * len(table)).view(pa.string())
    pq.write_table(table.set_column(table.column_names.index("recording"), "recording", column), path)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (
            lambda built: metadata(built).write_bytes(b"PAR1 this is none"),
            "metadata.parquet cannot be read",
        ),
        (lambda built: metadata(built).write_bytes(b""), "metadata.parquet cannot be read"),
        (lambda built: metadata(built).write_bytes(metadata(built).read_bytes()[:-50]), "cannot be read as Parquet"),
        (lambda built: without_column(metadata(built)), "metadata.parquet has no column question"),
        (lambda built: other_type(metadata(built)), "metadata.parquet has columns of another type"),
        (lambda built: no_text(metadata(built)), "metadata.parquet cannot be read"),
        (lambda built: metadata(built).unlink(), "holds no split"),
        (lambda built: (built / "stkit.json").unlink(), "holds no stkit.json"),
        (lambda built: (built / "stkit.json").write_text("{"), "stkit.json is not valid JSON"),
        (lambda built: (built / "stkit.json").write_text("[]"), "stkit.json is not a JSON object"),
    ],
)
def test_what_is_broken_is_named(built, spoil, sentence):
    spoil(built)
    with pytest.raises(InputError, match=sentence):
        read_all(built)


@pytest.mark.parametrize("key", ["source", "version", "seed", "tracks", "tracks_asked", "dropped"])
def test_a_note_without_what_the_page_tells_is_refused(built, key):
    note = built / "stkit.json"
    about = json.loads(note.read_text())
    del about[key]
    note.write_text(json.dumps(about))
    with pytest.raises(InputError, match=rf"stkit\.json has no '{key}': build the folder again"):
        open_built(built)
    note.write_text("{}")
    with pytest.raises(InputError, match=r"stkit\.json has no 'source'"):
        open_built(built)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *[(key, value) for key in ("source", "version") for value in (None, 3, ["a"], "\ud800")],
        *[(key, value) for key in ("seed", "tracks", "tracks_asked") for value in (None, "3", 1.5, True, -1, [1])],
        *[("dropped", value) for value in (None, [], {"gap": 3}, {"gap": {}}, {"gap": {"tracks": 1, "spans": None}})],
    ],
)
def test_a_note_with_another_kind_of_value_is_refused(built_once, tmp_path, key, value):
    built = shutil.copytree(built_once, tmp_path / "stkit", ignore=shutil.ignore_patterns("clips", "tracks"))
    about = json.loads((built / "stkit.json").read_text())
    (built / "stkit.json").write_text(json.dumps(about | {key: value}))
    with pytest.raises(InputError, match=rf"stkit\.json: '{key}' must be an? .*, not .*Build the folder again\."):
        open_built(built)


def read_all(built):
    folder = open_built(built)
    return [folder.clip_rows(entry) for entry in folder.entries]


def test_other_places_are_refused(tmp_path):
    with pytest.raises(InputError, match="no folder"):
        open_built(tmp_path / "nowhere")
    with pytest.raises(InputError, match="st-vlm build wrote"):
        open_built(tmp_path)


def test_an_unknown_split_is_refused_with_those_there_are(built_once):
    there = metadata(built_once).parent.name
    with pytest.raises(InputError, match=f"no split 'nonsense': it has {there}"):
        open_built(built_once, "nonsense")
