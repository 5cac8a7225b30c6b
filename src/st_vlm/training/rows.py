"""Dataset rows for tuning and for the bench, from wherever they are."""

from __future__ import annotations

from pathlib import Path

from st_vlm.building.settings import BUILD_FILE, METADATA_FILE, SPLITS
from st_vlm.building.tables import read_json
from st_vlm.errors import InputError

DEFAULT_DATASET = "stkit"
# What tuning and the bench need of a row.
COLUMNS = (
    "id",
    "clip_id",
    "task",
    "question",
    "answer",
    "messages",
    "target",
    "marks",
    "timestamps",
    "camera",
    "video",
)


def load_rows(
    dataset: str = DEFAULT_DATASET,
    config_name: str | None = None,
    split: str = "train",
    data_dir: str | None = None,
    num_recordings: int | None = None,
    seed: int | None = None,
    max_rows: int | None = None,
    with_video: bool = True,
):
    """One split of a dataset of questions.

    Args:
        dataset: A folder that `st-vlm build` wrote, `stkit`, or a dataset's name on the Hugging Face Hub.
        config_name: Of `stkit`: the source, by default `simulated`. Of a Hub dataset: its configuration.
        split: Its name.
        data_dir: Of `stkit`: the source's recordings.
        num_recordings, seed: Of the simulated source.
        max_rows: The first so many rows only.
        with_video: Whether every clip must be there; a model that sees no video needs none.

    Returns:
        `datasets.Dataset` with at least `COLUMNS`; `video` is not decoded.

    Raises:
        InputError: No such dataset, configuration, split or recordings, options that do not belong together, or a
            dataset that holds no questions about clips.
    """
    options = {"num_recordings": num_recordings, "seed": seed}
    options = {name: value for name, value in options.items() if value is not None}
    if options and (dataset != DEFAULT_DATASET or config_name not in (None, "simulated")):
        raise InputError(f"{' and '.join(options)} are for the simulated source of stkit only.")
    if dataset != DEFAULT_DATASET and (_is_path(dataset) or Path(dataset).exists()):
        rows = _built(Path(dataset), split, with_video)
    else:
        options |= {} if data_dir is None else {"data_dir": data_dir}
        rows = _loaded(dataset, config_name, split, options, with_video)
    if missing := set(COLUMNS) - set(rows.column_names):
        raise InputError(f"The dataset {dataset} has no column {min(missing)}; is it an STKit dataset?")
    return rows if max_rows is None else rows.select(range(min(max_rows, len(rows))))


def _loaded(name: str, config_name: str | None, split: str, options: dict, with_video: bool):
    """A split by `load_dataset`: `stkit` or a Hub dataset."""
    import datasets

    import st_vlm  # noqa: F401  (makes "stkit" known)

    try:
        loaded = datasets.load_dataset(name, config_name, **options)
    except datasets.exceptions.DatasetGenerationError as error:
        raise InputError(f"The dataset {name} cannot be built: {error.__cause__ or error}") from error
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise InputError(f"The dataset {name} cannot be loaded: {_first_sentence(error)}") from error
    if split not in loaded:
        raise InputError(f"The dataset {name} has no split {split!r}: it has {', '.join(loaded)}.")
    rows = loaded[split]
    if "video" not in rows.column_names:
        return rows
    if with_video:
        _refuse_lost(name, rows.data.column("video").null_count, len(rows))
    return rows.cast_column("video", datasets.Video(decode=False))


def _built(folder: Path, split: str, with_video: bool):
    """A split of a built folder, read where it lies.

    `load_dataset` would copy the rows, with the absolute paths of their videos, into a cache that outlives a folder
    which is moved or built anew.
    """
    import datasets
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not folder.is_dir():
        raise InputError(f"There is no dataset at {folder}.")
    if not (folder / "stkit.json").is_file():
        raise InputError(f"{folder} is not a folder that `st-vlm build` wrote: it has no stkit.json.")
    there = [name for name in SPLITS if (folder / name / METADATA_FILE).is_file()]
    if split not in there:
        raise InputError(f"The dataset {folder} has no split {split!r}: it has {', '.join(there) or 'none'}.")
    file = folder / split / METADATA_FILE
    try:
        blind = "file_name" not in pq.read_schema(file).names
        if blind and with_video and read_json(folder / BUILD_FILE).get("control") != "no_video":
            raise InputError(f"{folder} was built without video, but a video model needs one: build it with clips.")
        names = [name for name in COLUMNS if name != "video"]
        table = pq.read_table(file, columns=names if blind else ["file_name", *names])
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{file} cannot be read as Parquet: {_first_sentence(error)}") from error
    names = [None] * len(table) if blind else table["file_name"].to_pylist()
    if not blind and with_video:
        _refuse_lost(folder, names.count(None), len(names))
    home = folder.absolute() / split
    videos = [None if name is None else {"path": str(home / name), "bytes": None} for name in names]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = table.select([name for name in table.column_names if name != "file_name"])
    table = table.append_column("video", pa.array(videos, kind))
    return datasets.Dataset(table).cast_column("video", datasets.Video(decode=False))


def _refuse_lost(dataset: object, lost: int, rows: int) -> None:
    """Refuse a set that was published without some of its clips: a model would be taught to guess."""
    if lost:
        raise InputError(
            f"{lost} of {rows} questions of {dataset} came without their clips, which may not be passed on: join them "
            "with st-vlm attach-media."
        )


def _is_path(name: str) -> bool:
    """Whether a name can only be a path: a Hub dataset is `name` or `owner/name`."""
    return name.startswith((".", "/", "~")) or name.count("/") > 1


def _first_sentence(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".") + "." if str(error).strip() else type(error).__name__
