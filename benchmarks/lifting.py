"""Lifting: one clip's masks, depth and poses to tracks, its parts, and views and places against a plain loop.

    python benchmarks/lifting.py [--recordings 3] [--seed 0]

Simulated clips with the depth noise of `--noise bar`, 320 pixels wide, up to 40 frames and ten objects, on one core.
The plain loop takes one object in one frame at a time: its mask, its eroded pixels, their trimmed median, and the
cuboid that would show it there. It gives the same views and places, which is checked.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable

import numpy as np
from _timing import table
from scipy.ndimage import binary_erosion

from st_vlm.pseudo_labels.calibration.noise import NOISES, noisy_depth, noisy_poses
from st_vlm.pseudo_labels.calibration.truth import true_clip
from st_vlm.pseudo_labels.lifting.clip_lifting import lift_clip
from st_vlm.pseudo_labels.lifting.cuboid_views import HEADINGS, ImageGeometry, centre_offsets
from st_vlm.pseudo_labels.lifting.object_places import Calibrated, measure_places
from st_vlm.pseudo_labels.lifting.object_tracks import track_objects
from st_vlm.pseudo_labels.lifting.object_views import LEAST_PIXELS, NEARER_SHARE, TRIMMED_SHARE, view_objects
from st_vlm.pseudo_labels.lifting.size_priors import size_prior
from st_vlm.pseudo_labels.lifting.static_background import DepthErrors, correct_depth
from st_vlm.recordings import open_recordings
from st_vlm.recordings.categories import is_person

DEPTH_SIZE = (320, 183)
ROUNDS = 3


def seconds(work: Callable, *arguments: object) -> float:
    """The least of the process's own seconds."""
    taken = []
    for _ in range(ROUNDS):
        start = time.process_time()
        work(*arguments)
        taken.append(time.process_time() - start)
    return min(taken)


def plain_views(labels: np.ndarray, depth: np.ndarray, objects: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(N, T, 2) pixels, (N, T) metres and (N, T) share of the border that something nearer hides, a mask at a time."""
    pixels, metres = np.full((objects, len(labels), 2), np.nan), np.full((objects, len(labels)), np.nan)
    hidden = np.zeros(metres.shape)
    for k in range(objects):
        for t, (frame, its_depth) in enumerate(zip(labels, depth, strict=True)):
            mask = frame == k
            if not mask.any():
                continue
            inner = binary_erosion(mask, border_value=1)
            rows, columns = np.nonzero((inner if inner.sum() >= LEAST_PIXELS else mask) & np.isfinite(its_depth))
            if len(rows) < LEAST_PIXELS:
                continue
            order = np.argsort(its_depth[rows, columns], kind="stable")
            cut = int(TRIMMED_SHARE * len(order))
            kept = order[cut : len(order) - cut]
            metres[k, t] = np.median(its_depth[rows, columns][kept])
            pixels[k, t] = columns[kept].mean(), rows[kept].mean()
            border, nearer = 0, 0
            for turns in range(4):
                here, there = np.rot90(mask, turns), np.rot90(its_depth, turns)
                beyond = there[:, 1:][here[:, :-1] & ~here[:, 1:]]
                border += len(beyond)
                nearer += (beyond < (1 - NEARER_SHARE) * metres[k, t]).sum()
            hidden[k, t] = nearer / max(border, 1)
    return pixels, metres, hidden


def plain_places(pixels, metres, camera: Calibrated, image: ImageGeometry, sizes: np.ndarray) -> np.ndarray:
    """(N, T, H, 2) places for each heading, one view at a time."""
    places = np.full((*metres.shape, len(HEADINGS), 2), np.nan)
    for k, t in np.argwhere(np.isfinite(metres)):
        ray = np.linalg.solve(camera.intrinsics, [*pixels[k, t], 1.0])
        surface = camera.poses[t, :3, :3] @ (ray * metres[k, t]) + camera.poses[t, :3, 3]
        offsets = centre_offsets(surface[None], camera.poses[t][None], image, sizes[k][None])[0]
        places[k, t] = surface[:2] + offsets
    return places


def all_places(pixels, metres, camera: Calibrated, image: ImageGeometry, sizes: np.ndarray) -> np.ndarray:
    """The same at once."""
    surface = camera.world(pixels, metres)
    n, t = np.nonzero(np.isfinite(metres))
    places = np.full((*metres.shape, len(HEADINGS), 2), np.nan)
    offsets = centre_offsets(surface[n, t], camera.poses[t], image, sizes[n])
    places[n, t] = surface[n, t][:, None, :2] + offsets
    return places


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recordings", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    wanted = parser.parse_args()
    recordings = open_recordings(
        "simulated", None, image_size=DEPTH_SIZE, num_recordings=wanted.recordings, seed=wanted.seed
    )
    errors, parts, ratios = DepthErrors(), [], []
    for number, one in enumerate(recordings.recording_ids()):
        clip = true_clip(recordings.read(one, (recordings.cameras(one) or [None])[0]))
        seed, noise = (wanted.seed, number), NOISES["bar"]
        depth, poses = noisy_depth(clip.depth, noise, seed), noisy_poses(clip.poses, noise, seed)
        camera = Calibrated(clip.recording.camera.intrinsics, poses)
        categories = [track.category for track in clip.recording.tracks]
        priors, times = [size_prior(name) for name in categories], clip.times_s
        # As the stage before hands them over.
        labels = clip.labels.astype(np.int16)
        people = np.array([is_person(name) for name in categories])
        reach, objects = np.array([prior.reach for prior in priors]), len(categories)
        correction = correct_depth(depth, labels < 0, camera.intrinsics, poses, errors, 24)
        views = view_objects(labels, depth, objects, reach)
        measured = measure_places(times, views, camera, correction, priors)
        taken = {
            "lift_clip": seconds(lift_clip, times, labels, depth, camera, categories, errors),
            "correct_depth": seconds(correct_depth, depth, labels < 0, camera.intrinsics, poses, errors, 24),
            "view_objects": seconds(view_objects, labels, depth, objects, reach),
            "measure_places": seconds(measure_places, times, views, camera, correction, priors),
            "track_objects": seconds(track_objects, times, measured, priors, people),
        }
        parts.append([number, objects, len(times), *(f"{value * 1e3:.0f} ms" for value in taken.values())])
        image, sizes = ImageGeometry(camera.intrinsics, DEPTH_SIZE), measured.sizes
        whole = view_objects(labels, depth, objects)
        pixels, metres, hidden = plain_views(labels, depth, objects)
        seen = np.isfinite(metres)
        if not (
            np.allclose(whole.depth, metres, equal_nan=True)
            and np.allclose(whole.pixels, pixels, equal_nan=True)
            and np.allclose(whole.hidden[seen], hidden[seen])
        ):
            raise SystemExit("The plain loop sees something else.")
        located = pixels, metres, camera, image, sizes
        if not np.allclose(all_places(*located), plain_places(*located), equal_nan=True, atol=1e-3):
            raise SystemExit("The plain loop puts objects elsewhere.")
        pairs = {
            "views": (seconds(view_objects, labels, depth, objects), seconds(plain_views, labels, depth, objects)),
            "places": (seconds(all_places, *located), seconds(plain_places, *located)),
        }
        for name, (fast, slow) in pairs.items():
            ratios.append([number, name, f"{fast * 1e3:.0f} ms", f"{slow * 1e3:.0f} ms", f"{slow / fast:.1f}"])
        both = [sum(values) for values in zip(*pairs.values(), strict=True)]
        ratios.append([number, "both", *(f"{value * 1e3:.0f} ms" for value in both), f"{both[1] / both[0]:.1f}"])
    print(table(["clip", "objects", "frames", *taken], parts))
    print()
    print(table(["clip", "part", "all at once", "plain loop", "times faster"], ratios))
    print(f"\nPeak memory of the process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


if __name__ == "__main__":
    main()
