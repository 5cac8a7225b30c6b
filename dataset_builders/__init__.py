"""Builders for the `datasets` library: `load_dataset("stkit", …)`."""
