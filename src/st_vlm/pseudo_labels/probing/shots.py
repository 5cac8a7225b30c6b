"""Where a video's shots begin and end: cuts, dissolves, fades and black, from one look through it.

PySceneDetect's detectors count frames and compare pixels in place: on splices of panned street pictures its adaptive
one misses cuts between shots of a moving camera, between dark ones and in a video's first frames, and its plain one
takes fast pans for cuts. Here pictures are compared at the movement that fits best, in the file's own time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from st_vlm.pseudo_labels.probing.differences import colour_differences, mixes, structure_differences
from st_vlm.pseudo_labels.probing.looking import Looks

# A cut is this much of a change, and this many times what goes on around it.
_LEAST_CHANGE, _TIMES_AROUND = 0.4, 2.0
_LEAST_COLOUR, _TIMES_COLOUR = 25.0, 4.0
# Frames farther apart in time differ more anyway: between these seconds the least change grows to this.
_FAST_S, _SLOW_S, _SLOW_CHANGE = 0.1, 0.4, 0.5
_NEIGHBOURS = 3
# Two cuts this near each other with the same picture before and after are a flash.
_FLASH_S = 0.35
_SAME, _SAME_COLOUR = 0.35, 20.0
_DISSOLVES_S = (0.5, 1.0, 2.0)
# Of a dissolve the middle is the mean of both ends to 0.3-0.4 of how far they differ, where things move meanwhile; of
# a pan, however fast, to 0.5 and more.
# A dissolve's middle is the mean of both ends, to 0.3-0.48 of how far they differ where things move meanwhile, and has
# as little contrast as that mean. Of pans, however fast, none has both.
_LEAST_MIX, _MOST_OFF_MIX, _LEAST_MIXED_CHANGE = 8.0, 0.48, 0.5
_MIX_CONTRAST = 0.75, 1.4
_MIXED_SHARE = 0.4
BLACK_SHARE = 0.98
_LONGEST_FADE_S = 2.0
_LEAST_FADE = 0.5


@dataclass(frozen=True, eq=False)
class Shots:
    """The shots of a video.

    Attributes:
        runs: (S, 2) first and last index into the frames looked at, of each shot; fades, dissolves and black are in
            none of them.
        black: (L,) bool: frames that are black.
    """

    runs: np.ndarray
    black: np.ndarray


def find_shots(looks: Looks, times_s: np.ndarray) -> Shots:
    """Cut a video into shots.

    Args:
        looks: L frames of it.
        times_s: (L,) their times.
    """
    black = looks.dark >= BLACK_SHARE
    left_out = black | _fading(looks, times_s, black) | _dissolving(looks, times_s)
    begins = np.append(True, _cuts(looks, times_s))
    starts = begins | np.append(True, left_out[:-1])
    kept = np.flatnonzero(~left_out)
    firsts = kept[starts[kept]]
    # A shot lasts to the frame before the next start, or before what is left out.
    stops = np.flatnonzero(np.append(starts | left_out, True))
    lasts = stops[np.searchsorted(stops, firsts, side="right")] - 1
    return Shots(np.stack([firsts, lasts], axis=1), black)


def _cuts(looks: Looks, times_s: np.ndarray) -> np.ndarray:
    """(L - 1,) bool: a cut lies between a frame and the one after it."""
    before = np.arange(len(looks) - 1)
    change = structure_differences(looks, before, before + 1)
    colour = colour_differences(looks, before, before + 1)
    slowness = np.clip((np.diff(times_s) - _FAST_S) / (_SLOW_S - _FAST_S), 0, 1)
    least = _LEAST_CHANGE + slowness * (_SLOW_CHANGE - _LEAST_CHANGE)
    cut = change >= np.maximum(least, _TIMES_AROUND * _around(change))
    cut |= colour >= np.maximum(_LEAST_COLOUR, _TIMES_COLOUR * _around(colour))
    return _without_flashes(cut, looks, times_s)


def _around(values: np.ndarray) -> np.ndarray:
    """Medians of each value's neighbours, itself left out: another cut nearby does not count."""
    padded = np.pad(values, _NEIGHBOURS, constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * _NEIGHBOURS + 1)
    others = np.delete(windows, _NEIGHBOURS, axis=1)
    there = np.isfinite(others).any(axis=1)
    result = np.zeros(len(values))
    result[there] = np.nanmedian(others[there], axis=1)
    return result


def _without_flashes(cut: np.ndarray, looks: Looks, times_s: np.ndarray) -> np.ndarray:
    """Cuts but those into a few frames of something else and back."""
    cut = cut.copy()
    places = np.flatnonzero(cut)
    for number, place in enumerate(places):
        if not cut[place]:
            continue
        # From the last frame before to the first one behind.
        backs = [p for p in places[number + 1 : number + 7] if times_s[p + 1] - times_s[place] <= _FLASH_S]
        if not backs:
            continue
        pairs = np.full(len(backs), place), np.array(backs) + 1
        same = structure_differences(looks, *pairs) <= _SAME
        same &= colour_differences(looks, *pairs) <= _SAME_COLOUR
        if same.any():
            cut[place : backs[int(np.flatnonzero(same)[-1])] + 1] = False
    return cut


def _dissolving(looks: Looks, times_s: np.ndarray) -> np.ndarray:
    """(L,) bool: frames of a transition in which one picture goes over into another. Its middle is a mix of what is
    there some time before and after, which nothing is that moves."""
    result = np.zeros(len(looks), bool)
    middle = np.arange(len(looks))
    for length in _DISSOLVES_S:
        first = np.searchsorted(times_s, times_s - length / 2 - 1e-6)
        second = np.searchsorted(times_s, times_s + length / 2 + 1e-6, side="right") - 1
        # As much time before as behind, and some frames: else the mean says nothing.
        sides = times_s - times_s[first], times_s[second] - times_s
        full = (np.minimum(*sides) >= 0.35 * length) & (np.abs(sides[0] - sides[1]) <= 0.1 * length)
        full &= (middle - first >= 3) & (second - middle >= 3)
        at = np.flatnonzero(full)
        apart, off, contrast = mixes(looks, first[at], at, second[at])
        mixed = (apart >= _LEAST_MIX) & (off <= _MOST_OFF_MIX * apart)
        at = at[mixed & (contrast >= _MIX_CONTRAST[0]) & (contrast <= _MIX_CONTRAST[1])]
        at = at[structure_differences(looks, first[at], second[at]) >= _LEAST_MIXED_CHANGE]
        for place in at:
            result[np.abs(times_s - times_s[place]) <= _MIXED_SHARE * length] = True
    return result


def _fading(looks: Looks, times_s: np.ndarray, black: np.ndarray) -> np.ndarray:
    """(L,) bool: frames on the way into black or out of it, as long as it gets darker or brighter steadily."""
    light = looks.luma.mean((1, 2))
    result = np.zeros(len(looks), bool)
    edges = np.diff(black.astype(np.int8))
    for place in np.flatnonzero(edges == 1):
        index = place
        while index >= 0 and times_s[place] - times_s[index] <= _LONGEST_FADE_S and not black[index]:
            result[index] = True
            if index == 0 or light[index - 1] - light[index] < _LEAST_FADE:
                break
            index -= 1
    for place in np.flatnonzero(edges == -1) + 1:
        index = place
        while index < len(looks) and times_s[index] - times_s[place] <= _LONGEST_FADE_S and not black[index]:
            result[index] = True
            if index == len(looks) - 1 or light[index + 1] - light[index] < _LEAST_FADE:
                break
            index += 1
    return result
