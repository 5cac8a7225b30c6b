"""A map of tracks as an SVG that follows the reader's light or dark mode.

Colours that differ between the modes are drawn in stand-ins and replaced by CSS variables afterwards. The bytes depend
on the map alone: no date, no random ids, no settings of the user.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from itertools import pairwise

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import BoundaryNorm, LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator, MultipleLocator

from st_vlm.viewing.labels import place_labels
from st_vlm.viewing.tracks_map import MapTrack, TracksMap

# From slow to fast, each legible on white and on near black.
SPEED_COLOURS = ("#4a86d8", "#2a9d8f", "#93a32a", "#d99a1c", "#e2652b", "#d02f52")
_INK, _FAINT, _PAPER = "#202122", "#8a8b8c", "#fdfefd"
_THEME = {_INK: ("ink", "#d8dadd"), _FAINT: ("faint", "#6f747a"), _PAPER: ("paper", "#1d2024")}

# Inches of the map itself, without what stands around it.
_WIDEST, _HIGHEST, _LEAST_SIDE = 10.8, 7.2, 2.6
_LEFT, _RIGHT, _BOTTOM, _TOP = 0.62, 1.0, 0.48, 0.12
_MARGIN_SHARE, _LEAST_MARGIN_M = 0.04, 2.0
_SPEED_CLASSES, _TICKS = 10, 12
_FONT_SIZE = 8
_STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": _FONT_SIZE,
    "svg.hashsalt": "st-vlm",
    "svg.fonttype": "path",
    "axes.edgecolor": _FAINT,
    "axes.labelcolor": _INK,
    "xtick.color": _FAINT,
    "ytick.color": _FAINT,
    "xtick.labelcolor": _INK,
    "ytick.labelcolor": _INK,
    "text.color": _INK,
}


@dataclass(frozen=True)
class DrawnMap:
    """A map's picture.

    Attributes:
        svg: The file's text.
        origin: World x and y in metres of the map's own zero.
        outside: Number of objects that lie outside the map, wholly or in part, because what is known of them there was
            left out by a rule.
    """

    svg: str
    origin: tuple[float, float]
    outside: int


def draw_map(shown: TracksMap) -> DrawnMap:
    """Draw a map: equal scales, x to the right and y up, metres from a round origin near its lower left corner."""
    low, high = limits(shown)
    origin = np.floor(low / 10) * 10
    outside = sum(_leaves(track, low, high) for track in shown.tracks)
    with matplotlib.style.context(["default", _STYLE]):
        figure, axes, bar_axes = _canvas(low - origin, high - origin)
        edges = speed_edges(shown)
        colours = LinearSegmentedColormap.from_list("speed", SPEED_COLOURS)
        norm = BoundaryNorm(edges, colours.N)
        _draw_untrusted(axes, shown, origin)
        _draw_standing(axes, shown, origin)
        _draw_moving(axes, shown, origin, edges, colours(norm(edges[:-1])))
        _draw_camera(axes, shown, origin)
        _draw_numbers(axes, shown, origin)
        bar = figure.colorbar(ScalarMappable(norm, colours), cax=bar_axes, label="km/h", ticks=edges)
        bar.outline.set_visible(False)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    return DrawnMap(_themed(text.getvalue()), (float(origin[0]), float(origin[1])), outside)


def limits(shown: TracksMap) -> tuple[np.ndarray, np.ndarray]:
    """Lower left and upper right corner in world metres: all that is trusted and the camera's way, with a margin.

    What a rule took away may lie anywhere; the map does not shrink for it unless there is nothing else.
    """
    points = [one.points for track in shown.tracks for one in track.trusted]
    points += [track.outline for track in shown.tracks if track.trusted]
    points += [] if shown.camera is None else list(shown.camera.pieces)
    points = np.concatenate(points or [track.outline for track in shown.tracks])
    low, high = points.min(axis=0), points.max(axis=0)
    margin = max(_LEAST_MARGIN_M, _MARGIN_SHARE * float((high - low).max()))
    return low - margin, high + margin


def speed_edges(shown: TracksMap) -> np.ndarray:
    """(E,) round speeds in km/h from 0 that bound the colours' classes."""
    top = max((track.top_speed_kmh or 0.0 for track in shown.tracks if not track.standing), default=0.0)
    edges = MaxNLocator(_SPEED_CLASSES, steps=[1, 2, 2.5, 5, 10]).tick_values(0.0, max(top, 5.0))
    return edges[edges >= 0]


def polylines(points: np.ndarray, speeds: np.ndarray, edges: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """Speed class and (P, 2) points of each run of steps in one class; runs share their ends.

    Args:
        points: (G, 2).
        speeds: (G - 1,) km/h of the steps between them.
        edges: (E,) ascending bounds of E - 1 classes.
    """
    classes = np.clip(np.searchsorted(edges, speeds, side="right") - 1, 0, len(edges) - 2)
    bounds = [0, *(np.flatnonzero(np.diff(classes)) + 1), len(classes)]
    return [(int(classes[a]), points[a : b + 1]) for a, b in pairwise(bounds)]


def _canvas(low: np.ndarray, high: np.ndarray) -> tuple[Figure, Axes, Axes]:
    """A figure of the map's proportions, its axes, and those of the colour bar."""
    size = high - low
    inches = size * min(_WIDEST / size[0], _HIGHEST / size[1])
    # Long streets get a strip, but never one too low to read.
    wider = np.maximum(inches, _LEAST_SIDE) / inches
    low, high = (low + high) / 2 - size * wider / 2, (low + high) / 2 + size * wider / 2
    width, height = inches * wider
    whole = np.array([_LEFT + width + _RIGHT, _BOTTOM + height + _TOP])
    figure = Figure(figsize=tuple(whole), facecolor="none")
    axes = figure.add_axes((_LEFT / whole[0], _BOTTOM / whole[1], width / whole[0], height / whole[1]))
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), aspect="equal", xlabel="x (m)", ylabel="y (m)")
    axes.set_facecolor("none")
    # One step for both axes, so that the grid is of squares.
    step = float(np.diff(MaxNLocator(_TICKS, steps=[1, 2, 5, 10]).tick_values(0.0, float((high - low).max())))[0])
    axes.xaxis.set_major_locator(MultipleLocator(step))
    axes.yaxis.set_major_locator(MultipleLocator(step))
    axes.grid(True, color=_FAINT, linewidth=0.3, alpha=0.5)
    axes.set_axisbelow(True)
    tall = min(height, 2.6)
    bar = (_LEFT + width + 0.18, _BOTTOM + (height - tall) / 2, 0.12, tall)
    return figure, axes, figure.add_axes(tuple(np.array(bar) / np.tile(whole, 2)))


def _draw_untrusted(axes: Axes, shown: TracksMap, origin: np.ndarray) -> None:
    lines = [one.points - origin for track in shown.tracks for one in track.stretches if not one.trusted]
    axes.add_collection(LineCollection(lines, colors=_FAINT, linewidths=0.9, linestyles=(0, (2.5, 2))))
    outlines = [track.outline - origin for track in shown.tracks if not track.trusted]
    axes.add_collection(
        PolyCollection(outlines, facecolors="none", edgecolors=_FAINT, linewidths=0.6, linestyles=(0, (2, 1.5)))
    )


def _draw_standing(axes: Axes, shown: TracksMap, origin: np.ndarray) -> None:
    for asked, colour, width in ((False, _FAINT, 0.7), (True, _INK, 1.5)):
        tracks = [t for t in shown.tracks if t.standing and (t.track_id in shown.numbers) is asked]
        outlines = [track.outline - origin for track in tracks]
        axes.add_collection(PolyCollection(outlines, facecolors="none", edgecolors=colour, linewidths=width))
        # Seen from far enough, a person's outline is nothing.
        places = np.array([outline.mean(axis=0) for outline in outlines]).reshape(-1, 2)
        axes.plot(places[:, 0], places[:, 1], ".", color=colour, markersize=2 + width, markeredgewidth=0)


def _draw_moving(axes: Axes, shown: TracksMap, origin: np.ndarray, edges: np.ndarray, palette: np.ndarray) -> None:
    """Paths with a head at their end; those of objects that are asked about are wider and lie on top."""
    extent = max(np.ptp(axes.get_xlim()), np.ptp(axes.get_ylim()))
    for asked, width, head in ((False, 1.1, 0.007), (True, 2.6, 0.011)):
        lines, colours, heads, head_colours = [], [], [], []
        for track in shown.tracks:
            if track.standing or not track.trusted or (track.track_id in shown.numbers) is not asked:
                continue
            for one in track.trusted:
                for number, points in polylines(one.points - origin, one.speeds_kmh, edges):
                    lines.append(points)
                    colours.append(palette[number])
            heads.append(arrow_head(track.trusted[-1].points - origin, head * extent))
            head_colours.append(colours[-1])
        axes.add_collection(LineCollection(lines, colors=colours, linewidths=width, capstyle="round"))
        axes.add_collection(PolyCollection(heads, facecolors=head_colours, edgecolors="none"))


def arrow_head(points: np.ndarray, length: float) -> np.ndarray:
    """(3, 2) a triangle around the last of (G, 2) points, along the way there over the last `length` or more.

    It is smaller where the way is shorter, so that what only wavers points nowhere.
    """
    away = np.linalg.norm(points - points[-1], axis=-1)
    length = min(length, float(away.max()))
    far = np.flatnonzero(away >= length)
    ahead = points[-1] - points[far[-1] if len(far) else int(away.argmax())]
    ahead = ahead / max(float(np.linalg.norm(ahead)), 1e-9) * length
    aside = np.array([-ahead[1], ahead[0]]) * 0.55
    return points[-1] + np.array([ahead, aside - ahead * 0.6, -aside - ahead * 0.6])


def _draw_camera(axes: Axes, shown: TracksMap, origin: np.ndarray) -> None:
    if shown.camera is None:
        return
    for piece in shown.camera.pieces:
        axes.plot(*(piece - origin).T, color=_INK, linewidth=1.0, linestyle=(0, (6, 1.5, 1, 1.5)))
    axes.plot(*(shown.camera.start - origin), "o", color=_INK, markersize=4, markeredgewidth=0)
    axes.annotate(
        "",
        shown.camera.start - origin,
        shown.camera.view * 18,
        textcoords="offset points",
        arrowprops={"arrowstyle": "<-", "color": _INK, "linewidth": 1.0, "shrinkA": 0, "shrinkB": 0},
    )


def _draw_numbers(axes: Axes, shown: TracksMap, origin: np.ndarray) -> None:
    tracks = [track for track in shown.tracks if track.track_id in shown.numbers]
    ends = [
        track.outline.mean(axis=0) if track.standing or not track.trusted else track.trusted[-1].points[-1]
        for track in tracks
    ]
    texts = [str(shown.numbers[track.track_id]) for track in tracks]
    # In points, the SVG's unit.
    anchors = axes.transData.transform(np.array(ends).reshape(-1, 2) - origin) * 72 / axes.figure.dpi
    sizes = np.array([[0.68 * _FONT_SIZE * len(text) + 2, _FONT_SIZE + 1] for text in texts]).reshape(-1, 2)
    for end, text, offset in zip(ends, texts, place_labels(anchors, sizes), strict=True):
        axes.annotate(
            text,
            end - origin,
            offset,
            textcoords="offset points",
            ha="center",
            va="center",
            weight="bold",
            annotation_clip=True,
            path_effects=[withStroke(linewidth=2.5, foreground=_PAPER)],
            arrowprops={"arrowstyle": "-", "color": _INK, "linewidth": 0.5, "shrinkA": 4, "shrinkB": 1},
        )


def _leaves(track: MapTrack, low: np.ndarray, high: np.ndarray) -> bool:
    points = np.concatenate([track.outline, *(one.points for one in track.stretches)])
    return bool(((points < low) | (points > high)).any())


def _themed(svg: str) -> str:
    """The SVG with its stand-ins as variables, and both modes' values of them."""
    light = ";".join(f"--{name}:{colour}" for colour, (name, _) in _THEME.items())
    dark = ";".join(f"--{name}:{colour}" for name, colour in _THEME.values())
    for colour, (name, _) in _THEME.items():
        svg = svg.replace(colour, f"var(--{name},{colour})")
    style = f"<style>svg{{{light}}}@media(prefers-color-scheme:dark){{svg{{{dark}}}}}</style>"
    return svg.replace("<defs>", f"<defs>{style}", 1)
