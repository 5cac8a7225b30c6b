"""Whether the objects that were found are what they are taken for, asked of somebody else than who found them."""
