"""What stands around: buildings, trees, poles, fences. They give parallax and occlusion and carry no track."""

from __future__ import annotations

import numpy as np

from st_vlm.recordings.simulation.bodies import Paint, muted_colour
from st_vlm.recordings.simulation.placement import (
    COURT,
    CROSSING_HALF,
    HALL,
    PAVEMENT_EDGE,
    SQUARE_HALF,
    STREET_HALF,
    TILE,
    Path,
    come_near,
)
from st_vlm.recordings.simulation.rasteriser import Cuboids


def _block(x: float, y: float, size: tuple, bottom: float, colour: tuple, paint: Paint) -> tuple:
    return ((x, y, bottom + size[2] / 2), np.array(size) / 2, colour, paint)


def _tree(rng: np.random.Generator, x: float, y: float) -> list:
    height, crown = rng.uniform(4, 8), rng.uniform(1.2, 2.4)
    green = np.array([70, 88, 58]) * rng.uniform(0.7, 1.2)
    return [
        _block(x, y, (0.35, 0.35, 0.45 * height), 0.0, (82, 68, 56), Paint.PLAIN),
        _block(x, y, (crown, crown, 0.6 * height), 0.4 * height, tuple(green), Paint.PANELS),
        _block(x, y, (1.5 * crown, 1.5 * crown, 0.3 * height), 0.5 * height, tuple(green * 0.9), Paint.PANELS),
    ]


def _lamp_post(x: float, y: float) -> list:
    return [
        _block(x, y, (0.18, 0.18, 6.0), 0.0, (95, 98, 100), Paint.PLAIN),
        _block(x, y, (0.9, 0.3, 0.15), 6.0, (110, 112, 114), Paint.PLAIN),
    ]


def _building(rng: np.random.Generator, x: float, y: float, length: float, depth: float) -> list:
    colour = np.clip(np.array(muted_colour(rng)) * 0.5 + 75, 60, 215)
    return [_block(x, y, (length, depth, rng.uniform(6, 22)), 0.0, tuple(colour), Paint.BUILDING)]


def _street(rng: np.random.Generator, centre: float) -> list:
    blocks = []
    first = int(np.floor((centre - 90) / TILE))
    for tile in range(first, first + int(240 / TILE) + 1):
        for side in (-1, 1):
            x = tile * TILE + CROSSING_HALF + 3
            while x < (tile + 1) * TILE - CROSSING_HALF - 8:
                length = min(rng.uniform(9, 20), (tile + 1) * TILE - CROSSING_HALF - 3 - x)
                blocks += _building(rng, x + length / 2, side * (PAVEMENT_EDGE + 8.5), length - 0.5, 14.0)
                x += length
            for x in np.arange(tile * TILE + CROSSING_HALF + 4, (tile + 1) * TILE - CROSSING_HALF, rng.uniform(9, 14)):
                y = side * (STREET_HALF + 1.2)
                blocks += _tree(rng, x, y) if rng.random() < 0.5 else _lamp_post(x, y)
    return blocks


def _square(rng: np.random.Generator) -> list:
    blocks = []
    edge = SQUARE_HALF + 12
    for side in range(4):
        along = -edge
        while along < edge:
            length = rng.uniform(12, 26)
            x, y = along + length / 2, edge
            sizes = (length - 1, 12.0) if side % 2 == 0 else (12.0, length - 1)
            x, y = ((x, y), (y, x), (x, -y), (-y, x))[side]
            blocks += _building(rng, x, y, *sizes)
            along += length
    for x, y in rng.uniform(-60, 60, (24, 2)):
        if rng.random() < 0.4:
            blocks += _lamp_post(x, y)
        elif rng.random() < 0.6:
            blocks += _tree(rng, x, y)
        else:
            blocks.append(_block(x, y, (2.4, 0.7, 0.5), 0.0, (120, 112, 100), Paint.PANELS))
    return blocks


def _court(rng: np.random.Generator) -> list:
    blocks = []
    half_length, half_width = COURT[0] / 2, COURT[1] / 2
    for x in np.arange(-24.0, 25.0, 3.0):
        blocks.append(_block(x, half_width + 5, (2.9, 0.08, 1.1), 0.0, (140, 146, 150), Paint.PANELS))
    for side in (-1, 1):
        blocks.append(_block(side * (half_length + 1.6), 0.0, (0.2, 0.2, 3.2), 0.0, (70, 72, 78), Paint.PLAIN))
        blocks.append(_block(side * (half_length + 1.2), 0.0, (0.1, 1.8, 1.1), 2.9, (205, 205, 200), Paint.PLAIN))
        blocks.append(_block(side * 8.0, half_width + 3.5, (4.0, 0.5, 0.5), 0.0, (128, 105, 82), Paint.PANELS))
    for x in np.arange(-45.0, 46.0, 9.0):
        x, y = x + rng.uniform(-2, 2), half_width + rng.uniform(9, 16)
        blocks += _tree(rng, x, y) if rng.random() < 0.7 else _building(rng, x, y + 10, rng.uniform(8, 16), 8.0)
    for side in (-1, 1):
        for y in (-12.0, -2.0, 8.0, 18.0):
            blocks += _tree(rng, side * rng.uniform(26, 36), y + rng.uniform(-3, 3))
    return blocks


def _walls(rng: np.random.Generator) -> list:
    half_length, half_width = HALL[0] / 2, HALL[1] / 2
    colour, height = tuple(np.clip(np.array(muted_colour(rng)) * 0.3 + 120, 90, 215)), rng.uniform(5.5, 7.0)
    blocks = []
    for side in (-1, 1):
        across, along = (0.4, 2 * half_width, height), (2 * half_length + 0.8, 0.4, height)
        blocks.append(_block(side * (half_length + 0.2), 0.0, across, 0.0, colour, Paint.PANELS))
        blocks.append(_block(0.0, side * (half_width + 0.2), along, 0.0, colour, Paint.PANELS))
    return blocks


def _hall(rng: np.random.Generator) -> list:
    half_length, half_width = HALL[0] / 2, HALL[1] / 2
    blocks = []
    # Doors, benches, boxes and chairs, whose sizes everyone knows.
    for x in rng.uniform(-half_length + 1, half_length - 1, 2):
        blocks.append(_block(x, half_width - 0.02, (0.95, 0.08, 2.05), 0.0, muted_colour(rng), Paint.PLAIN))
        blocks.append(_block(x + 0.36, half_width - 0.08, (0.14, 0.05, 0.05), 1.0, (60, 60, 62), Paint.PLAIN))
    for x in np.arange(-half_length + 1.5, half_length - 1, 3.2):
        x, y = x + rng.uniform(-0.6, 0.6), half_width - 0.6
        blocks += [_bench, _chair, _boxes][rng.integers(3)](rng, x, y)
    for y in np.arange(-half_width + 4, half_width - 1, 3.0):
        for side in (-1, 1):
            blocks += _boxes(rng, side * (half_length - 0.7), y + rng.uniform(-0.5, 0.5))
    return blocks


def _bench(rng: np.random.Generator, x: float, y: float) -> list:
    wood = (132, 108, 82)
    legs = [_block(x + side * 0.7, y, (0.08, 0.3, 0.42), 0.0, (70, 72, 76), Paint.PLAIN) for side in (-1, 1)]
    return [*legs, _block(x, y, (1.8, 0.36, 0.05), 0.42, wood, Paint.PLAIN)]


def _chair(rng: np.random.Generator, x: float, y: float) -> list:
    colour, steel = muted_colour(rng), (88, 90, 94)
    legs = [
        _block(x + a * 0.18, y + b * 0.18, (0.03, 0.03, 0.44), 0.0, steel, Paint.PLAIN)
        for a in (-1, 1)
        for b in (-1, 1)
    ]
    return [
        *legs,
        _block(x, y, (0.42, 0.42, 0.04), 0.44, colour, Paint.PLAIN),
        _block(x, y + 0.2, (0.42, 0.03, 0.4), 0.48, colour, Paint.PLAIN),
    ]


def _boxes(rng: np.random.Generator, x: float, y: float) -> list:
    blocks = []
    bottom = 0.0
    for _ in range(rng.integers(1, 4)):
        size = tuple(rng.uniform((0.35, 0.3, 0.25), (0.6, 0.45, 0.4)))
        colour = tuple(np.array([148, 122, 92]) * rng.uniform(0.85, 1.1))
        blocks.append(_block(x + rng.uniform(-0.04, 0.04), y, size, bottom, colour, Paint.PLAIN))
        bottom += size[2]
    return blocks


def draw_scenery(rng: np.random.Generator, place: str, centre: float, paths: list[Path]) -> Cuboids:
    """Blocks for a place (`street`, `square`, `court`, `hall`), but none in the way of an object or the camera.

    Args:
        centre: Where along the street the recording begins.
        paths: Footprints to keep clear, each of the same number of ticks.
    """
    blocks = (
        {"square": _square, "court": _court, "hall": _hall}[place](rng) if place != "street" else _street(rng, centre)
    )
    least = 0.25 if place == "hall" else 0.9
    # Who is out of sight may walk through a wall; it stays.
    kept = _walls(rng) if place == "hall" else []
    for centre_, half, colour, paint in blocks:
        spot = Path(np.array(centre_[:2]), np.zeros(()), np.maximum(half[:2], least))
        if not any(come_near(path, spot, 0.4) for path in paths):
            kept.append((centre_, half, colour, paint))
    count = len(kept)
    return Cuboids(
        centres=np.array([k[0] for k in kept], np.float64).reshape(count, 3),
        halves=np.array([k[1] for k in kept], np.float64).reshape(count, 3),
        rotations=np.repeat(np.eye(3)[None], count, axis=0),
        colours=np.array([k[2] for k in kept], np.float32).reshape(count, 3),
        paints=np.array([k[3] for k in kept], np.int64).reshape(count),
        owners=np.full(count, -1, np.int32),
    )
