"""Depth Anything 3 on the clips of a run, in its own environment.

    python -m venv da3 && da3/bin/pip install -r recipes/runners/requirements-depth-anything-3.txt
    da3/bin/python recipes/runners/run_depth_anything_3.py OUT
    st-vlm pseudo-label VIDEOS --out OUT --geometry depth-anything-3 --geometry-option path=OUT/depth-anything-3

It is not called `depth_anything_3.py`, which Python would take for the package of that name.
"""

from __future__ import annotations

import sys

import numpy as np
from clip_folder import parser, run

TOOL = "depth-anything-3"
MODEL = "depth-anything/DA3NESTED-GIANT-LARGE-1.1"
# As the tool's page states them, by how a model's name ends.
APACHE = ("DA3-BASE", "DA3-SMALL", "DA3METRIC-LARGE", "DA3MONO-LARGE")


def main(arguments: list[str] | None = None) -> int:
    """Run it; returns the exit code."""
    options = parser(__doc__.splitlines()[0], MODEL)
    options.add_argument("--resolution", type=int, default=504, help="pixels of the longer side")
    options.add_argument("--camera-head", action="store_true", help="poses from the faster of its two heads")
    given = options.parse_args(arguments)
    loaded = []

    def measure(clip: dict, images: list[np.ndarray]):
        if not loaded:
            loaded.append(load(given.model, given.device))
        prediction = loaded[0].inference(
            images,
            process_res=given.resolution,
            process_res_method="upper_bound_resize",
            use_ray_pose=not given.camera_head,
            # A clip's frames are in the order of time.
            ref_view_strategy="middle",
        )
        return found(prediction), {
            "model": given.model,
            "licence": licence(given.model),
            "extrinsics": "camera_from_world",
            "fit": "stretch",
        }

    return run(given, TOOL, measure)


def load(model: str, device: str):
    """The model on its device."""
    from depth_anything_3.api import DepthAnything3

    return DepthAnything3.from_pretrained(model).to(device).eval()


def found(prediction) -> dict[str, np.ndarray]:
    """The arrays of a clip's file.

    Raises:
        ValueError: The model gives no metres, or no poses.
    """
    if prediction.extrinsics is None or prediction.intrinsics is None:
        raise ValueError("this model gives no camera poses: use DA3NESTED-GIANT-LARGE")
    if not prediction.is_metric:
        raise ValueError("this model gives no metres: use DA3NESTED-GIANT-LARGE")
    depth = np.asarray(prediction.depth, np.float32)
    arrays = {
        "depth": depth,
        "intrinsics": np.asarray(prediction.intrinsics, np.float64),
        "extrinsics": np.asarray(prediction.extrinsics, np.float64),
    }
    if prediction.conf is not None:
        arrays["confidence"] = np.asarray(prediction.conf, np.float32)
    sky = prediction.sky if prediction.sky is not None else sky_of(depth, arrays.get("confidence"))
    if sky is not None:
        arrays["sky"] = np.asarray(sky, bool)
    return arrays


def sky_of(depth: np.ndarray, confidence: np.ndarray | None) -> np.ndarray | None:
    """(T, h, w) bool: nested models hand over no mask of the sky, but give it all one depth, and confidence 1."""
    if confidence is None:
        return None
    sure = confidence == 1
    if not sure.any():
        return np.zeros(depth.shape, bool)
    values, counts = np.unique(depth[sure], return_counts=True)
    return sure & (depth == values[counts.argmax()])


def licence(model: str) -> str:
    """Of a model's weights."""
    return "Apache-2.0" if model.rstrip("/").upper().endswith(APACHE) else "CC-BY-NC-4.0"


if __name__ == "__main__":
    sys.exit(main())
