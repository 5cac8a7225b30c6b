"""The ground's texture: asphalt grain, lane marks, kerbs, grass, court lines, as one tile repeated over the plane."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from st_vlm.recordings.simulation.placement import COURT, CROSSING_HALF, HALL, PAVEMENT_EDGE, STREET_HALF, TILE

# Cells of 5 cm, and of less than 2 cm where the camera is near the ground.
HALL_TILE = 22.0
_CELLS = 1280
_LEVELS = 7


@dataclass(frozen=True, eq=False)
class Ground:
    """A square tile, centred on the origin and repeated in both directions.

    Attributes:
        texels: (sum of n^2, 3) uint8, every mip level's texels one after the other, the finest first.
        offsets, counts: Where each level begins and how many texels its side has.
        tile: Metres of the tile's side.
    """

    texels: np.ndarray
    offsets: np.ndarray
    counts: np.ndarray
    tile: float = TILE

    def colours(self, x: np.ndarray, y: np.ndarray, footprint: np.ndarray) -> np.ndarray:
        """(N,) ground points and the metres that a pixel covers there to (N, 3) uint8 colours."""
        level = np.clip(np.log2(np.maximum(footprint, 1e-6) / self.tile * _CELLS) + 0.5, 0, _LEVELS - 1).astype(
            np.int32
        )
        count = self.counts[level]
        column = (((x / self.tile + 0.5) % 1.0) * count).astype(np.int32)
        row = (((y / self.tile + 0.5) % 1.0) * count).astype(np.int32)
        np.minimum(column, count - 1, out=column)
        np.minimum(row, count - 1, out=row)
        return self.texels[self.offsets[level] + row * count + column]


def _noise(rng: np.random.Generator, shares: dict[int, float]) -> np.ndarray:
    """(n, n) float32 sum of random squares; keys are their sides in cells, values their standard deviations."""
    total = np.zeros((_CELLS, _CELLS), np.float32)
    for side, deviation in shares.items():
        count = _CELLS // side
        coarse = rng.standard_normal((count, count), dtype=np.float32) * deviation
        total += np.repeat(np.repeat(coarse, side, axis=0), side, axis=1)
    return total


def draw_ground(rng: np.random.Generator, place: str) -> Ground:
    """The ground of a place (`street`, `square`, `court`, `hall`)."""
    paint = {"street": _street, "square": _square, "court": _court, "hall": _hall}[place]
    tile = HALL_TILE if place == "hall" else TILE
    middle = (((np.arange(_CELLS) + 0.5) / _CELLS - 0.5) * tile).astype(np.float32)
    colours, roughness = paint(rng, middle[None, :], middle[:, None])
    grain = _noise(rng, {1: 9.0, 5: 4.0, 16: 4.0, 80: 4.0}) * roughness
    level = np.clip(colours + grain[..., None], 0, 255)
    texels, counts = [], []
    for _ in range(_LEVELS):
        texels.append(np.rint(level).astype(np.uint8).reshape(-1, 3))
        counts.append(len(level))
        level = level.reshape(len(level) // 2, 2, len(level) // 2, 2, 3).mean(axis=(1, 3))
    counts = np.array(counts)
    offsets = np.concatenate([[0], np.cumsum(counts[:-1] ** 2)])
    return Ground(np.concatenate(texels), offsets, counts, tile)


def _canvas(colour: tuple[float, float, float]) -> np.ndarray:
    return np.full((_CELLS, _CELLS, 3), colour, np.float32)


def _patches(rng: np.random.Generator, colours: np.ndarray, count: int, cover: tuple[int, int]) -> None:
    """Repaired rectangles, darker or lighter than the rest."""
    for _ in range(count):
        row, column = rng.integers(0, _CELLS - 100, 2)
        height, width = rng.integers(*cover, 2)
        colours[row : row + height, column : column + width] += rng.uniform(-16, 12)


def _street(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    colours = _canvas((rng.uniform(104, 132),) * 3)
    _patches(rng, colours, 40, (16, 90))
    across, along = np.abs(y), np.abs(x)
    crossing = along < CROSSING_HALF
    white = (206, 206, 200)
    dashed = (x % 8.0) < 3.0
    lanes = np.abs((across + 1.75) % 3.5 - 1.75) < 0.08
    lines = ((lanes & dashed & (across > 1) & (across < STREET_HALF - 2)) | (np.abs(across - 0.18) < 0.07)) & ~crossing
    zebra = (along > CROSSING_HALF + 0.5) & (along < CROSSING_HALF + 3.5) & (y % 1.0 < 0.5)
    lines = (lines & (along > CROSSING_HALF + 5)) | zebra
    lines |= (along > CROSSING_HALF + 4.2) & (along < CROSSING_HALF + 4.6)
    colours[lines & (across < STREET_HALF)] = white
    # The street that crosses has marks of its own.
    other = (np.abs(along - 0.12) < 0.07) & (across > STREET_HALF) & (y % 8.0 < 3.0)
    colours[np.broadcast_to(other, lines.shape)] = white
    off = (across > STREET_HALF) & ~crossing
    joints = (x % 1.0 < 0.05) | (y % 1.0 < 0.05)
    colours[off] = (150, 146, 140)
    colours[off & joints] = (122, 118, 113)
    kerb = (off & (across < STREET_HALF + 0.3)) | (
        (across > STREET_HALF) & (along >= CROSSING_HALF) & (along < CROSSING_HALF + 0.3)
    )
    colours[kerb] = (178, 176, 170)
    grass = off & (across > PAVEMENT_EDGE) & (along > CROSSING_HALF + 0.3)
    colours[grass] = (92, 108, 72)
    return colours, np.where(grass, 1.6, np.where(lines, 0.6, 1.0)).astype(np.float32)


def _square(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    base = rng.uniform(108, 145)
    colours = _canvas((base, base, base * 0.99))
    checker = ((np.floor(x / 8) + np.floor(y / 8)) % 2) == 0
    colours[checker] += rng.uniform(-10, 10)
    _patches(rng, colours, 60, (12, 80))
    # Parking bays in two rows, seams elsewhere.
    bays = (np.abs(np.abs(y) - 16) < 5) & ((x % 2.7) < 0.1) & (np.abs(x) < 27)
    bays |= (np.abs(np.abs(y) - 16) < 0.05) & (np.abs(x) < 27)
    seams = (x % 8.0 < 0.08) | (y % 8.0 < 0.08)
    arrow = (np.abs(x) % 16 < 0.15) & (y % 8 < 2.5)
    colours[np.broadcast_to(seams, bays.shape)] -= 22
    colours[bays | arrow] = (200, 200, 194)
    return colours, np.where(bays, 0.6, 1.1).astype(np.float32)


def _court(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    floor = [(150, 122, 92), (112, 128, 120), (140, 112, 102), (118, 122, 132)][rng.integers(4)]
    colours = _canvas((94, 108, 76))
    half_length, half_width = COURT[0] / 2, COURT[1] / 2
    border = (np.abs(x) < half_length + 3) & (np.abs(y) < half_width + 3)
    inside = (np.abs(x) < half_length) & (np.abs(y) < half_width)
    colours[border] = np.array(floor) * 0.8
    colours[inside] = floor
    lines = inside & ((np.abs(x) > half_length - 0.1) | (np.abs(y) > half_width - 0.1) | (np.abs(x) < 0.05))
    lines |= np.abs(np.hypot(x, y) - 1.8) < 0.06
    rim = half_length - 1.6
    arcs = (np.abs(np.hypot(np.abs(x) - rim, y) - 6.75) < 0.06) & inside & (np.abs(x) < half_length)
    keys = (np.abs(np.abs(y) - 2.45) < 0.05) & (np.abs(x) > half_length - 5.8) & inside
    keys |= (np.abs(np.abs(x) - (half_length - 5.8)) < 0.05) & (np.abs(y) < 2.45)
    lines = lines | arcs | keys
    colours[lines] = (214, 212, 204)
    boards = border & ((y % 0.6 < 0.05) | ((x + 2 * np.floor(y / 0.6)) % 3.0 < 0.05))
    colours[boards & ~lines] -= 12
    return colours, np.where(border, 0.45, 1.6).astype(np.float32)


def _hall(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    floor = np.array([(138, 132, 124), (146, 120, 94), (112, 118, 124), (150, 146, 140)][rng.integers(4)])
    colours = _canvas(tuple(floor * rng.uniform(0.85, 1.1)))
    if rng.random() < 0.5:
        # Boards of 12 cm, each a little different.
        boards = np.floor(y / 0.12).astype(int) % 183
        colours += rng.normal(0.0, 5.0, 183)[boards][..., None]
        joints = (y % 0.12 < 0.012) | ((x + 0.7 * (boards % 3)) % 2.2 < 0.02)
    else:
        colours[((np.floor(x / 0.5) + np.floor(y / 0.5)) % 2 == 0)] += rng.uniform(-9, 9)
        joints = (x % 0.5 < 0.018) | (y % 0.5 < 0.018)
    colours[np.broadcast_to(joints, colours.shape[:2])] -= 20
    half_length, half_width = HALL[0] / 2 - 2.0, HALL[1] / 2 - 2.0
    lines = (np.abs(np.abs(x) - half_length) < 0.03) & (np.abs(y) < half_width)
    lines |= (np.abs(np.abs(y) - half_width) < 0.03) & (np.abs(x) < half_length)
    lines |= ((np.abs(x) < 0.03) & (np.abs(y) < half_width)) | (np.abs(np.hypot(x, y) - 1.8) < 0.03)
    colours[lines] = (212, 210, 202)
    return colours, np.where(lines, 0.4, 0.6).astype(np.float32)
