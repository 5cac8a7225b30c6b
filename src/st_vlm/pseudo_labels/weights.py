"""Models of `transformers` from a checkpoint: where they run, and what is said when they cannot be had."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

from st_vlm.errors import InputError
from st_vlm.pseudo_labels.unavailable import Unavailable

# Of a model's tensors: a checkpoint of another version may lack a few that are not used here; a random model none.
_MOST_MISSING = 0.02

# Where there is no connection it takes a minute to be told so: not once a clip.
_REFUSED: dict[str, tuple[float, str]] = {}
_LONG_S, _ASK_AGAIN_S = 5.0, 600.0
# By how checkpoints and folders of them are called.
_LICENCES = {
    "grounding-dino": "Apache-2.0",
    "sam2": "Apache-2.0",
    "edgetam": "Apache-2.0",
    "sam3": "SAM License",
}


def licence_of(*checkpoints: str) -> str:
    """The licences of some checkpoints by their names, each once; `unknown` for weights of other names."""
    names = [Path(checkpoint).name.lower() for checkpoint in checkpoints]
    found = [next((what for start, what in _LICENCES.items() if name.startswith(start)), "unknown") for name in names]
    return " and ".join(dict.fromkeys(found))


def choose_device(device: str | None):
    """The torch device of that name; None: the first CUDA device if there is one, else the CPU.

    Raises:
        InputError: There is no such device.
    """
    import torch

    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.empty(1, device=chosen)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise InputError(f"There is no device {device!r} here ({_first_line(error)}). Give 'cpu' or 'cuda'.") from None
    return chosen


def choose_dtype(dtype: str | None, device):
    """The torch type of that name; None: bfloat16 on a GPU, else float32.

    Raises:
        InputError: It is none that models run in.
    """
    import torch

    known = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    if dtype is None:
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    if dtype not in known:
        raise InputError(f"A model runs in one of {', '.join(known)}, not in {dtype!r}.")
    return known[dtype]


def load_model(kind: type, checkpoint: str, device, dtype, grant: str = ""):
    """A model in evaluation mode, its weights from safetensors alone.

    Args:
        kind: Its class in `transformers`.
        checkpoint: A name on the Hugging Face Hub, or a local folder.
        device, dtype: Of torch.
        grant: What must be done beforehand where the weights are not given to everyone.

    Raises:
        Unavailable: The weights cannot be had, are no safetensors, or are another model's.
    """
    config = _asked(lambda: kind.config_class.get_config_dict(str(checkpoint))[0], checkpoint, grant)
    wanted, stated = kind.config_class.model_type, config.get("model_type", "unknown")
    # Checkpoints of SAM 2 and its kin serve images and videos alike.
    if stated.split("_")[0] != wanted.split("_")[0]:
        raise Unavailable(f"{checkpoint} holds a model of type {stated!r}; needed is one of type {wanted!r}.")
    model, report = _asked(
        lambda: kind.from_pretrained(
            str(checkpoint), use_safetensors=True, trust_remote_code=False, dtype=dtype, output_loading_info=True
        ),
        checkpoint,
        grant,
    )
    missing, other = report["missing_keys"], report["mismatched_keys"]
    if other or len(missing) > _MOST_MISSING * len(model.state_dict()):
        raise Unavailable(
            f"{checkpoint} lacks {len(missing) + len(other)} of the {len(model.state_dict())} tensors of "
            f"{kind.__name__}, which would be random. Give a whole checkpoint of this model."
        )
    return model.to(device).eval()


def load_processor(kind: type, checkpoint: str, grant: str = "", **options: Any):
    """What prepares a model's inputs, from the same checkpoint.

    Raises:
        Unavailable: It cannot be had.
    """
    return _asked(lambda: kind.from_pretrained(str(checkpoint), trust_remote_code=False, **options), checkpoint, grant)


def _asked(load, checkpoint: str, grant: str):
    """What a loader gives.

    Raises:
        Unavailable: Instead of the many errors that loaders have.
    """
    from safetensors import SafetensorError

    until, sentence = _REFUSED.get(str(checkpoint), (0.0, ""))
    if time.monotonic() < until:
        raise Unavailable(sentence)
    begun = time.monotonic()
    quiet = logging.getLogger("transformers")
    level = quiet.level
    # Lists of all its tensors are no sentence; what is amiss is said by whoever called.
    quiet.setLevel(logging.ERROR)
    try:
        return load()
    except ImportError as error:
        raise Unavailable(_needs(checkpoint, error)) from None
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError, SafetensorError) as error:
        sentence, now = _why(str(checkpoint), error, grant), time.monotonic()
        if now - begun > _LONG_S:
            _REFUSED[str(checkpoint)] = now + _ASK_AGAIN_S, sentence
        raise Unavailable(sentence) from None
    finally:
        quiet.setLevel(level)


def _needs(checkpoint: str, error: ImportError) -> str:
    if "timm" in str(error):
        return f"{checkpoint} has a backbone of the package timm, which is not installed: pip install timm."
    return f"{checkpoint} needs a package that is not installed ({_first_line(error)}). Install it with pip."


def _why(checkpoint: str, error: Exception, grant: str) -> str:
    """Why a checkpoint cannot be had, and what to do."""
    said = f"{error} {error.__cause__ or ''}".lower()
    folder = Path(checkpoint)
    if folder.is_dir():
        if "safetensors" in said and "no file named" in said:
            return (
                f"{folder} holds no weights as model.safetensors. Other formats can run code and are not read: "
                "save the model again with save_pretrained."
            )
        return f"The model in {folder} cannot be read ({_first_line(error)}). Download it again."
    elsewhere = (
        f"download it where there is a connection (hf download {checkpoint} --local-dir FOLDER) and give FOLDER in "
        "place of its name"
    )
    refused = any(word in said for word in ("gated", "401", "403", "restricted", "awaiting"))
    if grant and refused:
        return f"{checkpoint} cannot be had. {grant} Or {elsewhere}."
    if any(word in said for word in ("connect", "offline", "cached files", "timed out", "name or service")):
        also = f" {grant}" if grant else ""
        return f"{checkpoint} is not on this machine, and the Hugging Face Hub cannot be reached: {elsewhere}.{also}"
    if checkpoint.startswith((".", "/", "~")) or "repo id" in said or "hfvalidation" in said:
        return f"There is no folder {checkpoint} with a model. Give a local folder or a name on the Hugging Face Hub."
    if refused or "not a valid model identifier" in said or "404" in said:
        return (
            f"The Hugging Face Hub has no model {checkpoint} that this machine may read. Check the name, log in by "
            f"`hf auth login`, or {elsewhere}."
        )
    return f"{checkpoint} cannot be loaded ({_first_line(error)}). Download it again, or {elsewhere}."


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0][:200] or type(error).__name__
