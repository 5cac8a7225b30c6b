"""A picture from above: the ways of a clip's objects and of its camera, with what is not certain of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from st_vlm.viewing.annotated_video import PALETTE

_INCHES, _DPI = 8.0, 120
_LEAST_SIDE_M = 10.0
_LOOKS_DOWN = 0.1


@dataclass(frozen=True, eq=False)
class Way:
    """One object seen from above.

    Attributes:
        label: For the legend.
        points: (G, 2) metres in the world, in the order of time.
        others: (S, G, 2) equally likely other ways.
        stands: Whether it stays where it is.
        mark: A few letters that stand beside it in the picture.
    """

    label: str
    points: np.ndarray
    others: np.ndarray
    stands: bool
    mark: str = ""


def draw_top_down(ways: Sequence[Way], camera: np.ndarray, path: Path, title: str = "") -> None:
    """Write a PNG, with the camera's first place below and what it looks at above; the same ways give the same bytes.

    Args:
        ways: Of the objects.
        camera: (T, 4, 4) world from camera, z up.
        path: Of the picture.
        title: Above it.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_INCHES, _INCHES), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    ways = [replace(way, points=_seen(way.points, camera), others=_seen(way.others, camera)) for way in ways]
    eye = _seen(camera[:, :2, 3], camera)
    ahead = _seen(camera[:, :2, 3] + camera[:, :2, 2], camera) - eye
    axes.plot(*eye.T, color="black", linewidth=2, label="camera")
    length = 0.05 * max(np.ptp(np.concatenate([eye, *(way.points for way in ways)]), axis=0).max(), _LEAST_SIDE_M)
    for place, way in ((eye[0], ahead[0]), (eye[-1], ahead[-1])):
        tip = place + length * way / max(float(np.linalg.norm(way)), 1e-9)
        axes.annotate("", tip, place, arrowprops={"arrowstyle": "-|>", "color": "black"})
    for k, way in enumerate(ways):
        colour = np.array(PALETTE[k % len(PALETTE)]) / 255
        for other in way.others:
            axes.plot(*other.T, color=colour, alpha=0.12, linewidth=1)
        begins = way.points.mean(axis=0) if way.stands else way.points[0]
        axes.annotate(way.mark, begins, (5, 5), textcoords="offset points", color=colour, fontweight="bold", zorder=5)
        if way.stands:
            axes.plot(*begins, marker="s", markersize=8, color=colour, label=way.label, linestyle="")
            continue
        axes.plot(*way.points.T, color=colour, linewidth=2.5, label=way.label)
        axes.plot(*way.points[0], marker="o", color=colour, markersize=5)
        if len(way.points) > 1:
            arrow = {"arrowstyle": "-|>", "color": colour, "linewidth": 2.5, "shrinkA": 0, "shrinkB": 0}
            axes.annotate("", way.points[-1], way.points[-2], arrowprops=arrow)
    axes.set_aspect("equal", adjustable="datalim")
    axes.grid(alpha=0.3)
    axes.set_xlabel("metres to the right of the camera's first place")
    axes.set_ylabel("metres ahead of it")
    axes.set_title(title)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=2, frameon=False)
    # No date and no version in the file.
    figure.savefig(path, metadata={"Software": None})


def _seen(points: np.ndarray, camera: np.ndarray) -> np.ndarray:
    """(..., 2) places in the world as metres to the right and ahead of the camera's first pose."""
    down, ahead = camera[0, :3, 1], camera[0, :3, 2]
    # A camera that looks straight down has the upper side of its image ahead.
    level = ahead[:2] if np.linalg.norm(ahead[:2]) > _LOOKS_DOWN else -down[:2]
    level = level / max(float(np.linalg.norm(level)), 1e-9)
    return (points - camera[0, :2, 3]) @ np.array([[level[1], level[0]], [-level[0], level[1]]])
