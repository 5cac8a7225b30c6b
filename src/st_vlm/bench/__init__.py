"""STKit-Bench: questions that are frozen by a manifest, so that every score is a score on the same ones."""
