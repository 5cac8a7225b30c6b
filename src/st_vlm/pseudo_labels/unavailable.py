"""What a backend cannot do now, and may do the next time."""

from st_vlm.errors import InputError


class Unavailable(InputError):
    """No fault of the clip: weights that cannot be had, a package that is not installed, a memory that is full.

    A clip that failed for it is tried again when the run is started again.
    """
