"""From masks and depth to tracks in metres, each with its uncertainty. Pure functions on arrays."""
