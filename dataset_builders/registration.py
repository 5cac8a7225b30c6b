"""Makes `load_dataset("stkit", …)` find our builder.

`datasets` has no public hook for a builder that is neither a Hub repository nor a folder. It looks names up in one
private table of packaged modules, and for those it first lists every file of `data_dir` (of the working directory
without one): half a minute for 50,000 files, and an error for an empty folder. Our builder needs no list, so for our
names alone that step is replaced. A test loads through the real `load_dataset`, so a release that moves these is
noticed.
"""

from __future__ import annotations

import wrapt

from st_vlm.building.code import code_hash

# Name for load_dataset -> module that defines the builder class.
MODULES = {"stkit": "st_vlm.dataset_builders.stkit", "stkit_bench": "st_vlm.dataset_builders.stkit_bench"}


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
