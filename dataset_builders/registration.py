"""Makes `load_dataset("stkit", …)` find our builder.

`datasets` has no public hook for a builder that is neither a Hub repository nor a folder. It looks names up in one
private table of packaged modules, and for those it first lists every file of `data_dir` (of the working directory
without one): half a minute for 50,000 files, and an error for an empty folder. Our builder needs no list, so for our
names alone that step is replaced. A test loads through the real `load_dataset`, so a release that moves these is
noticed.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import wrapt

# Name for load_dataset -> module that defines the builder class.
MODULES = {"stkit": "st_vlm.dataset_builders.stkit"}


def register(_module: object = None) -> None:
    """Enter our builders into `datasets`, when `datasets.load` is imported. Calling it again changes nothing."""
    from datasets import load
    from datasets.packaged_modules import _PACKAGED_DATASETS_MODULES

    if all(name in _PACKAGED_DATASETS_MODULES for name in MODULES):
        return
    for name, module in MODULES.items():
        _PACKAGED_DATASETS_MODULES[name] = (module, code_hash())
    wrapt.wrap_function_wrapper(load, "PackagedDatasetModuleFactory.get_module", _get_module)


def _get_module(wrapped, instance, args, kwargs):
    """What `PackagedDatasetModuleFactory.get_module` returns, without listing any file, for our names only."""
    if instance.name not in MODULES:
        return wrapped(*args, **kwargs)
    from datasets.data_files import DataFilesDict
    from datasets.load import DatasetModule

    if instance.data_files is not None:
        from st_vlm.errors import InputError

        raise InputError(
            f'load_dataset("{instance.name}") takes data_dir=, the folder of recordings, not data_files=.'
        )
    # load_dataset refuses a packaged module whose files are None; the builder puts its own list in this one's place.
    builder_kwargs = {"dataset_name": instance.name, "data_files": DataFilesDict()}
    return DatasetModule(MODULES[instance.name], code_hash(), builder_kwargs)


@cache
def code_hash() -> str:
    """SHA-256 over the code that rows depend on, so that `datasets` never reuses rows that older code made."""
    import st_vlm

    package = Path(st_vlm.__file__).parent
    folders = [package / name for name in ("building", "kinematics", "questions", "recordings", "video")]
    paths = [path for folder in folders for path in folder.rglob("*") if path.suffix in (".py", ".yaml")]
    paths += [path for path in Path(__file__).parent.glob("*.py")]
    digest = hashlib.sha256()
    for path in sorted(paths, key=lambda p: (p.parent.name, p.name)):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()
