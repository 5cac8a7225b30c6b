"""MapAnything on the clips of a run, in its own environment.

    python -m venv mapanything && mapanything/bin/pip install -r recipes/runners/requirements-map-anything.txt
    mapanything/bin/python recipes/runners/run_map_anything.py OUT
    st-vlm pseudo-label VIDEOS --out OUT --geometry map-anything --geometry-option path=OUT/map-anything

Intrinsics that a clip states are given to the model.
"""

from __future__ import annotations

import sys

import numpy as np
from clip_folder import parser, run

TOOL = "map-anything"
MODEL = "facebook/map-anything"


def main(arguments: list[str] | None = None) -> int:
    """Run it; returns the exit code."""
    options = parser(__doc__.splitlines()[0], MODEL)
    options.add_argument("--memory-efficient", action="store_true", help="slower, for GPUs with little memory")
    given = options.parse_args(arguments)
    loaded = []

    def measure(clip: dict, images: list[np.ndarray]):
        if not loaded:
            loaded.append(load(given.model, given.device))
        predictions = infer(loaded[0], clip, images, given.memory_efficient)
        return found(predictions), {
            "model": given.model,
            "licence": licence(given.model),
            "extrinsics": "world_from_camera",
            "fit": "cover",
        }

    return run(given, TOOL, measure)


def load(model: str, device: str):
    """The model on its device."""
    from mapanything.models import MapAnything

    return MapAnything.from_pretrained(model).to(device).eval()


def infer(model, clip: dict, images: list[np.ndarray], memory_efficient: bool) -> list[dict]:
    """What the model finds in a clip's frames, a dictionary a frame."""
    import torch
    from mapanything.utils.image import preprocess_inputs

    views = [{"img": torch.from_numpy(image)} for image in images]
    if clip.get("intrinsics"):
        lens = torch.tensor(clip["intrinsics"], dtype=torch.float32).reshape(3, 3)
        for view in views:
            view["intrinsics"] = lens.clone()
    return model.infer(
        preprocess_inputs(views),
        memory_efficient_inference=memory_efficient,
        use_amp=True,
        amp_dtype="bf16",
        apply_mask=True,
        mask_edges=True,
        # Left to whoever reads the file.
        apply_confidence_mask=False,
    )


def found(predictions: list[dict]) -> dict[str, np.ndarray]:
    """The arrays of a clip's file."""
    depth = _stacked(predictions, "depth_z", np.float32)
    # Where the mask is off, depth is 0.
    if all(prediction.get("mask") is not None for prediction in predictions):
        depth = np.where(_stacked(predictions, "mask", bool), depth, 0)
    arrays = {
        "depth": depth.astype(np.float32),
        "intrinsics": _stacked(predictions, "intrinsics", np.float64),
        "extrinsics": _stacked(predictions, "camera_poses", np.float64),
    }
    if all(prediction.get("conf") is not None for prediction in predictions):
        arrays["confidence"] = _stacked(predictions, "conf", np.float32)
    return arrays


def licence(model: str) -> str:
    """Of a model's weights."""
    return "Apache-2.0" if "apache" in model.lower() else "CC-BY-NC-4.0"


def _stacked(predictions: list[dict], name: str, dtype) -> np.ndarray:
    """(T, …): each frame's batch of one, without an axis of channels."""
    values = [np.asarray(prediction[name].detach().float().cpu().numpy()[0]) for prediction in predictions]
    values = [value[..., 0] if value.ndim == 3 and value.shape[-1] == 1 else value for value in values]
    return np.stack(values).astype(dtype)


if __name__ == "__main__":
    sys.exit(main())
