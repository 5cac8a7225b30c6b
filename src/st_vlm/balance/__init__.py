"""A set of questions that guessing does not answer: caps on what is common, and what baselines score trimmed away."""
