"""A picture from above: the ways of a clip's objects and of its camera, with what is not certain of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from st_vlm.viewing.annotated_video import PALETTE

_INCHES, _DPI = 8.0, 120
_LEAST_SIDE_M = 10.0


@dataclass(frozen=True, eq=False)
class Way:
    """One object seen from above.

    Attributes:
        label: For the legend.
        points: (G, 2) metres in the world, in the order of time.
        others: (S, G, 2) equally likely other ways.
        stands: Whether it stays where it is.
    """

    label: str
    points: np.ndarray
    others: np.ndarray
    stands: bool


def draw_top_down(ways: Sequence[Way], camera: np.ndarray, path: Path, title: str = "") -> None:
    """Write a PNG; the same ways give the same bytes.

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
    eye, ahead = camera[:, :2, 3], camera[:, :2, 2]
    axes.plot(*eye.T, color="black", linewidth=2, label="camera")
    length = 0.05 * max(np.ptp(np.concatenate([eye, *(way.points for way in ways)]), axis=0).max(), _LEAST_SIDE_M)
    for place, way in ((eye[0], ahead[0]), (eye[-1], ahead[-1])):
        tip = place + length * way / max(float(np.linalg.norm(way)), 1e-9)
        axes.annotate("", tip, place, arrowprops={"arrowstyle": "-|>", "color": "black"})
    for k, way in enumerate(ways):
        colour = np.array(PALETTE[k % len(PALETTE)]) / 255
        for other in way.others:
            axes.plot(*other.T, color=colour, alpha=0.12, linewidth=1)
        if way.stands:
            axes.plot(*way.points.mean(axis=0), marker="s", markersize=8, color=colour, label=way.label, linestyle="")
            continue
        axes.plot(*way.points.T, color=colour, linewidth=2.5, label=way.label)
        axes.plot(*way.points[0], marker="o", color=colour, markersize=5)
        if len(way.points) > 1:
            arrow = {"arrowstyle": "-|>", "color": colour, "linewidth": 2.5, "shrinkA": 0, "shrinkB": 0}
            axes.annotate("", way.points[-1], way.points[-2], arrowprops=arrow)
    axes.set_aspect("equal", adjustable="datalim")
    axes.grid(alpha=0.3)
    axes.set_xlabel("x, metres")
    axes.set_ylabel("y, metres")
    axes.set_title(title)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=2, frameon=False)
    # No date and no version in the file.
    figure.savefig(path, metadata={"Software": None})
