"""Which frames a model sees: those nearest a 0.5 s grid of real timestamps, at most 40 (PAPER, "Tasks")."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from st_vlm.errors import InputError

INTERVAL_S = 0.5
MAX_FRAMES = 40


def sample_indices(
    times_s: Sequence[float] | np.ndarray,
    interval_s: float = INTERVAL_S,
    max_frames: int = MAX_FRAMES,
    num_frames: int | None = None,
) -> np.ndarray:
    """Indices of the frames to use, increasing.

    The grid starts at the first frame. A video with more grid points than frames allowed is covered whole, by that
    many frames spread evenly in time. A video whose frames already lie about `interval_s` apart (a stored clip, with
    the camera's jitter) is taken whole, since its boxes and its timestamps have one entry a frame.

    Args:
        times_s: (F,) real timestamps in seconds, strictly increasing; the frame rate may vary.
        interval_s: Spacing of the grid.
        max_frames: Most frames a model is given.
        num_frames: A tighter limit, or None. With 1, the frame in the middle.

    Returns:
        (T,) int64.

    Raises:
        InputError: No frames, times that do not increase, or limits below 1.
    """
    times = np.asarray(times_s, np.float64)
    if times.ndim != 1 or len(times) == 0:
        raise InputError("Sampling needs the times of at least one frame.")
    steps = np.diff(times)
    if not np.isfinite(times).all() or (steps <= 0).any():
        raise InputError("Sampling needs finite, strictly increasing frame times.")
    limit = max_frames if num_frames is None else min(max_frames, num_frames)
    if limit < 1 or interval_s <= 0:
        raise InputError("Sampling needs at least one frame and a positive interval.")
    if len(times) <= limit and _on_grid(steps, interval_s):
        return np.arange(len(times))
    points = int((times[-1] - times[0]) / interval_s + 1e-6) + 1
    if points <= limit:
        grid = times[0] + interval_s * np.arange(points)
    elif limit == 1:
        grid = np.array([(times[0] + times[-1]) / 2])
    else:
        grid = np.linspace(times[0], times[-1], limit)
    return np.unique(_nearest(times, grid))


def _on_grid(steps: np.ndarray, interval_s: float) -> bool:
    """Whether frames are about one interval apart or more: 10 Hz cameras stray by 0.05 s at both ends of a step."""
    return len(steps) == 0 or (np.median(steps) >= 0.9 * interval_s and steps.min() >= 0.75 * interval_s)


def _nearest(times: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Index of the time nearest each grid point; the earlier of two equally near."""
    after = np.clip(np.searchsorted(times, grid), 1, max(1, len(times) - 1))
    before = after - 1
    after = np.minimum(after, len(times) - 1)
    return np.where(grid - times[before] <= times[after] - grid, before, after)
