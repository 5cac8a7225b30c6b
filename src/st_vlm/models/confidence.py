"""How sure a model was of the value that its answer states."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any


def confidence(
    tokens: Sequence[int],
    logs: Sequence[float],
    decode: Callable[[Sequence[int]], str],
    read: Callable[[str], Any],
) -> float:
    """The geometric mean of the probabilities of the tokens that decide the answer, from 0 to 1.

    A token decides the answer where the text without it would be read as another answer, or as none: the digits of a
    number, a colour's name, "not"; a blank never does. The words around them, which might as well have been others,
    do not count. With p_i the probability of the i-th token given those before it and D the deciding tokens,

        confidence = exp(1/|D| * sum over i in D of log p_i)

    so that a choice that is one token has that token's probability, and a long number is not less sure than a short
    one for its length. Where no token decides (no answer, or one that is said twice) all of the turn count, with the
    token that ends it.

    Args:
        tokens: Of the answer, the one that ends its turn included.
        logs: Their log-probabilities.
        decode: Tokens to text, without blanks around it and without special tokens.
        read: Text to an answer, or None.
    """
    answer = read(decode(tokens))
    deciding = []
    if answer is not None:
        without = {i: decode([*tokens[:i], *tokens[i + 1 :]]) for i in range(len(tokens)) if decode(tokens[i : i + 1])}
        deciding = [i for i, text in without.items() if read(text) != answer]
    chosen = [logs[i] for i in deciding or range(len(tokens))]
    return min(1.0, math.exp(sum(chosen) / len(chosen))) if chosen else 0.0
