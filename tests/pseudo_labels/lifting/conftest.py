"""What the tests of lifting look at."""

import numpy as np
import pytest
from seen_room import Box, Room


@pytest.fixture(scope="session")
def street():
    """Two walls and a few crates along a street that runs along x."""
    rng = np.random.default_rng(5)
    walls = (Box((40, 9, 2), (100, 1, 4)), Box((40, -9, 2), (100, 1, 4)), Box((75, 0, 2), (1, 30, 4)))
    crates = tuple(
        Box((x, rng.choice([-6, 6]) + rng.normal(), 0.7), (1.5, 1.5, 1.4), rng.uniform(0, 3)) for x in range(6, 70, 5)
    )
    return Room(walls + crates)
