"""Streets of random drives with round speeds, sharp corners and gaps, where much lies at the very limits."""

import numpy as np
from hand_built import CAR, PERSON, along, nanoseconds, recording, straight, track

from st_vlm.recordings import Recording


def street(seed: int) -> Recording:
    """Two to six objects seen by a camera at 2 or 10 Hz that may jitter or skip frames."""
    rng = np.random.default_rng(seed)
    tracks = []
    for k in range(int(rng.integers(2, 7))):
        corners = [rng.integers([-12, 12], [12, 30]).astype(float)]
        for _ in range(int(rng.integers(1, 5))):
            way = np.array([(1, 0), (0, 1), (-1, 0), (0.6, 0.8)][rng.integers(4)])
            corners.append(corners[-1] + rng.choice([4.0, 8.0, 12.0]) * way)
        drives = rng.random() < 0.7
        path = along(rng.choice([0.5, 1.0, 2.0, 4.0, 6.0]), *corners)
        if not drives:
            path = straight(*corners[0], rng.choice([0, 0.04, 0.08, 0.5, 1.0]), rng.choice([0, 0.5]))
        first, last = sorted(rng.choice(41, 2, replace=False)) if rng.random() < 0.5 else (0, 40)
        times = np.arange(first, max(last, first + 8) + 1) * 0.5
        if rng.random() < 0.3:
            times = np.sort(rng.choice(times, len(times) * 5 // 6, replace=False))
        tracks.append(
            track(
                f"t{k}",
                path,
                times + rng.choice([0.0, 0.017]),
                category=rng.choice([CAR, PERSON]),
                size=(1, 1, 2),
                lidar=[99] * len(times) if rng.random() < 0.7 else None,
                sigma=float(rng.choice([0.03, 0.1])) if rng.random() < 0.2 else None,
            )
        )
    frames = np.arange(0, 20.01, 0.5)
    if rng.random() < 0.5:
        frames = np.delete(np.arange(0, 20.01, 0.1) + rng.uniform(0, 0.003, 201), rng.choice(200, 8))
    odometry = {}
    if rng.random() < 0.2:
        way = np.cumsum(rng.normal(0, 0.2, (41, 3)), axis=0)
        odometry = {"pose_slack": 0.05, "ego_times_ns": nanoseconds(np.arange(0, 20.1, 0.5)), "ego_centres": way}
    return recording(*tracks, frames_s=frames, **odometry)
