"""A model's free text made plain before it is parsed: Unicode, markdown, LaTeX, number words, the final answer."""

from __future__ import annotations

import re
import unicodedata

# An answer stands at the end of what a model writes; the bound keeps parsing cheap on endless repetition.
_LONGEST = 20_000

_CHARACTERS = str.maketrans(
    {
        **dict.fromkeys("’‘ʼ´`′‛", "'"),
        **dict.fromkeys("‐‑‒–−﹣", "-"),
        **dict.fromkeys("—―", ";"),
        "⁄": "/",
        "≈": " ",
        "~": " ",
        "$": " ",
        "_": " ",
        "→": " to ",
    }
)
_GROUPED_DIGITS = re.compile("(?<=[0-9])[\u00a0\u202f\u2009](?=[0-9]{3})")
_LATEX = (
    (re.compile(r"\\[dt]?frac\s{0,3}\{[^{}]{0,40}\}\s{0,3}\{[^{}]{0,40}\}"), " ? "),
    (re.compile(r"\\(?:times|cdot)"), "×"),
    (re.compile(r"\\(?:text|mathrm|mathbf|textbf|rm)\b|\\[,;: !]|\\(?:approx|sim|quad)\b"), " "),
)
_BRACES = str.maketrans("{}", "  ")
_SPACES = re.compile(" {2,}")
_PRODUCT = re.compile(r"(?<=[0-9]) ?\* ?(?=[0-9])")
_MARKER = re.compile(r"\banswer\b(?: to [^.:\n]{1,60}?)? ?(?:is\b ?:?|[:=])|\banswer ?\n")

_DIGITS = {
    **{
        word: n
        for n, word in enumerate(
            ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
        )
    },
    **{
        w: n
        for n, w in enumerate(["thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"], 13)
    },
    **{
        w: 10 * n
        for n, w in enumerate(["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], 2)
    },
}
_NUMBER_WORD = "(?:" + "|".join(sorted([*_DIGITS, "hundred", "thousand", "point"], key=len, reverse=True)) + ")"
_COUNTED = (
    r"(?:o ?' ?clock|o clock|kilomet|met(?:er|re)|centimet|feet|foot\b|miles?\b|yards?\b|k?m\b|km/|m/|mph\b|"
    r"kph\b|seconds?\b|s\b)"
)
_RUN_OF_WORDS = rf"(?<![0-9] )(?<![0-9-])\b{_NUMBER_WORD}(?:[ -](?:and )?{_NUMBER_WORD}){{0,9}}\b"
_NUMBER_WORDS = re.compile(rf"{_RUN_OF_WORDS}(?=[ -]{_COUNTED})")


def plain(text: str) -> str:
    """Lower case, plain quotes and hyphens, no markdown or LaTeX dress, one space between words; newlines stay.

    Number words become digits where a unit or "o'clock" follows ("three o'clock"); text beyond its last 20,000
    characters is dropped.
    """
    if len(text) > _LONGEST:
        text = text[-_LONGEST:].partition(" ")[2]
    text = _GROUPED_DIGITS.sub("", text)
    # The vulgar fractions ½ and ¼ would lose their space and read as part of the number before them.
    text = re.sub("([¼½¾])", r" \1", text)
    text = unicodedata.normalize("NFKC", text).lower().translate(_CHARACTERS)
    for pattern, replacement in _LATEX:
        text = pattern.sub(replacement, text)
    text = _PRODUCT.sub("×", text).replace("*", "")
    lines = (" ".join(line.split()) for line in text.splitlines())
    text = "\n".join(line for line in lines if line)
    return _NUMBER_WORDS.sub(_in_digits, text)


def with_digits(text: str, counted: str) -> str:
    """A plain text with digits for number words before one of the things in a pattern: "sixty times"."""
    return re.sub(rf"{_RUN_OF_WORDS}(?=[ -](?:{counted}))", _in_digits, text)


def final_part(text: str) -> str:
    """What a plain text marks as its answer: `\\boxed{…}`, `<answer>…`, or what follows "(final) answer is" or ":".

    Reasoning before `</think>` is dropped. Without a marker, or with nothing behind it, the whole text.
    """
    return _SPACES.sub(" ", _marked(text).translate(_BRACES))


def _marked(text: str) -> str:
    text = text.rpartition("</think>")[2]
    if "\\boxed{" in text:
        return _in_braces(text.rpartition("\\boxed{")[2])
    if "<answer>" in text:
        return text.rpartition("<answer>")[2].partition("</answer>")[0]
    end = max((match.end() for match in _MARKER.finditer(text)), default=0)
    rest = text[end:]
    return rest if any(c.isalnum() for c in rest) else text


def _in_braces(text: str) -> str:
    depth = 1
    for at, character in enumerate(text):
        depth += (character == "{") - (character == "}")
        if depth == 0:
            return text[:at]
    return text


def _in_digits(match: re.Match[str]) -> str:
    """A run of number words as digits, or "?" for one that is no number ("two three meters")."""
    whole, _, decimals = match[0].replace("-", " ").replace(" and ", " ").partition("point")
    total = group = 0
    last = 1000
    for word in whole.split():
        if word == "hundred":
            group, last = max(group, 1) * 100, 100
        elif word == "thousand":
            total, group, last = total + max(group, 1) * 1000, 0, 1000
        elif last <= 19 or (last < 100 and _DIGITS[word] > 9):
            return "?"
        else:
            group += _DIGITS[word]
            last = _DIGITS[word] if _DIGITS[word] else 1
    digits = [_DIGITS.get(word, 99) for word in decimals.split()]
    if any(digit > 9 for digit in digits):
        return "?"
    return f"{total + group}" + ("." + "".join(map(str, digits)) if digits else "")
