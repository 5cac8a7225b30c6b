"""Small recordings with known motion, written in the datasets' native layouts, one module a dataset.

Each builder gives plain tables that a test may spoil before it writes them.
"""
