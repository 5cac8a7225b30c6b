"""How wrong pseudo-labels are where the truth is known: noise like that of real backends, errors, and their causes."""
