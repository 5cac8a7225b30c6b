"""A smooth field over the image, such as the error of a depth map: linear between the nodes of a coarse grid."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

WEAK_SHARE = 0.003


@dataclass(frozen=True)
class SmoothField:
    """The grid that carries a field, and what is thought of the field before anything is seen.

    The prior is a Gaussian process with the covariance rms^2 exp(-(d / length)^2), so that the correlation has fallen
    to 1/e at `length`.

    Attributes:
        size: Width and height of the image in pixels.
        rms: Root mean square of the field.
        length: Correlation length in image widths.
    """

    size: tuple[int, int]
    rms: float
    length: float

    @cached_property
    def counts(self) -> tuple[int, int]:
        """Columns and rows of nodes: four to a correlation length, on the image's corners too.

        Half as many would miss a tenth of the field between nodes.
        """
        width, height = self.size
        columns = max(round(4 / self.length), 1)
        return columns + 1, max(round(columns * (height - 1) / (width - 1)), 1) + 1

    @property
    def nodes(self) -> int:
        """How many nodes there are."""
        return self.counts[0] * self.counts[1]

    @cached_property
    def _covariance(self) -> np.ndarray:
        """(nodes, nodes) of the field at the nodes."""
        (width, height), (columns, rows) = self.size, self.counts
        x, y = np.meshgrid(np.linspace(0, width - 1, columns), np.linspace(0, height - 1, rows))
        places = np.stack([x.ravel(), y.ravel()], axis=-1) / width
        square = ((places[:, None] - places) ** 2).sum(axis=-1)
        return self.rms**2 * np.exp(-square / self.length**2)

    @cached_property
    def modes(self) -> np.ndarray:
        """(nodes, R) the field's principal directions at the nodes, each as strong as its standard deviation.

        A field is `modes @ z` with independent standard normal numbers z. The weakest directions, which have a share
        of `WEAK_SHARE` of the variance in all, are left out.
        """
        values, vectors = np.linalg.eigh(self._covariance)
        strong = np.cumsum(values) > WEAK_SHARE * values.sum()
        return vectors[:, strong] * np.sqrt(values[strong])

    def weights(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The four nodes around each of (P,) pixels, and their weights: (P, 4) int and (P, 4) float."""
        columns, rows = self.counts
        across = np.clip(x * (columns - 1) / (self.size[0] - 1), 0, columns - 1)
        down = np.clip(y * (rows - 1) / (self.size[1] - 1), 0, rows - 1)
        i, j = np.minimum(across.astype(int), columns - 2), np.minimum(down.astype(int), rows - 2)
        a, b = across - i, down - j
        first = j * columns + i
        indices = np.stack([first, first + 1, first + columns, first + columns + 1], axis=-1)
        return indices, np.stack([(1 - a) * (1 - b), a * (1 - b), (1 - a) * b, a * b], axis=-1)

    def at(self, values: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """The field at (P,) pixels, from (..., nodes) values: (..., P)."""
        indices, weights = self.weights(x, y)
        return (values[..., indices] * weights).sum(axis=-1)

    def image(self, values: np.ndarray) -> np.ndarray:
        """The field at every pixel, from (..., nodes) values: (..., height, width)."""
        (width, height), (columns, rows) = self.size, self.counts
        grid = values.reshape(*values.shape[:-1], rows, columns)
        return _stretch(rows, height) @ grid @ _stretch(columns, width).T


def _stretch(nodes: int, pixels: int) -> np.ndarray:
    """(pixels, nodes) weights of linear interpolation along one side."""
    place = np.linspace(0, nodes - 1, pixels)
    return np.maximum(1 - np.abs(place[:, None] - np.arange(nodes)), 0.0)
