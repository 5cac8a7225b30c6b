"""Dataset rows for tuning and for the bench, from wherever they are."""

from __future__ import annotations

from pathlib import Path

from st_vlm.errors import InputError

DEFAULT_DATASET = "stkit"


def load_rows(
    dataset: str = DEFAULT_DATASET,
    config_name: str | None = None,
    split: str = "train",
    data_dir: str | None = None,
    num_recordings: int | None = None,
    seed: int | None = None,
    max_rows: int | None = None,
):
    """One split of a dataset of questions.

    Args:
        dataset: A folder that `st-vlm build` wrote, `stkit`, or a dataset's name on the Hugging Face Hub.
        config_name: Of `stkit`: the source, by default `simulated`. Of a Hub dataset: its configuration.
        split: Its name.
        data_dir: Of `stkit`: the source's recordings.
        num_recordings, seed: Of the simulated source.
        max_rows: The first so many rows only.

    Returns:
        `datasets.Dataset`; `video` is not decoded.

    Raises:
        InputError: No such dataset, configuration, split or recordings, options that do not belong together, or a
            dataset that holds no questions about clips.
    """
    import datasets

    import st_vlm  # noqa: F401  (makes "stkit" known)

    options = {"num_recordings": num_recordings, "seed": seed}
    options = {name: value for name, value in options.items() if value is not None}
    if options and (dataset != DEFAULT_DATASET or config_name not in (None, "simulated")):
        raise InputError(f"{' and '.join(options)} are for the simulated source of stkit only.")
    if data_dir is not None:
        options["data_dir"] = data_dir
    if Path(dataset).exists() and not (Path(dataset) / "stkit.json").is_file():
        raise InputError(f"{dataset} is not a folder that `st-vlm build` wrote: it has no stkit.json.")
    if not Path(dataset).exists() and dataset != DEFAULT_DATASET and _is_path(dataset):
        raise InputError(f"There is no dataset at {dataset}.")
    try:
        loaded = datasets.load_dataset(dataset, config_name, **options)
    except InputError:
        raise
    except datasets.exceptions.DatasetGenerationError as error:
        raise InputError(f"{dataset} cannot be read: {error.__cause__ or error}") from error
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise InputError(f"The dataset {dataset} cannot be loaded: {_first_sentence(error)}") from error
    if split not in loaded:
        raise InputError(f"The dataset {dataset} has no split {split!r}: it has {', '.join(loaded)}.")
    rows = loaded[split]
    missing = {"id", "clip_id", "task", "question", "messages", "target", "marks", "timestamps", "video"} - set(
        rows.column_names
    )
    if missing:
        raise InputError(f"The dataset {dataset} has no column {min(missing)}; is it an STKit dataset?")
    rows = rows.cast_column("video", datasets.Video(decode=False))
    return rows if max_rows is None else rows.select(range(min(max_rows, len(rows))))


def _is_path(name: str) -> bool:
    """Whether a name can only be a path: a Hub dataset is `name` or `owner/name`."""
    return name.startswith((".", "/", "~")) or name.count("/") > 1


def _first_sentence(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".") + "." if str(error).strip() else type(error).__name__
