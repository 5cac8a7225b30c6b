"""Multi-step reasoning: a measured quantity, arithmetic and world knowledge, written out step by step.

`families` says what is asked and how it is calculated, `solving` calculates, `candidates` chooses questions about a
clip, `wording` fills their sentences.
"""

from st_vlm.questions.chains.solving import answer_again

__all__ = ["answer_again"]
