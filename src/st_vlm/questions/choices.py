"""Which of several options a plain text chooses: a colour in a comparison, or same against different directions."""

from __future__ import annotations

import re
from collections.abc import Sequence

from st_vlm.questions.answers import DIRECTION_RELATIONS

_NOT_DIRECTIONS = r"(?! (?:speeds?|lanes?|roads?|times?|colou?rs?|types?|distances?|videos?|scenes?|streets?))"
_SAME = re.compile(rf"\b(?:same{_NOT_DIRECTIONS}|identical|parallel)\b")
_DIFFERENT = re.compile(
    rf"\b(?:different(?:ly)?{_NOT_DIRECTIONS}|differs?|opposite|diverg(?:e|es|ing|ent)|perpendicular)\b"
)
_NEGATED = re.compile(r"(?:\bnot|n't|\bnever|\bno|\brather than|\binstead of)(?: [a-z]{1,12}){0,5} ?$")
_YES_NO = re.compile(r"\W{0,5}(yes|no)\b(?! (?:object|one|doubt|clear))")
_YES_NO_QUESTION = re.compile(r"(?:^|[,.:;?!] ?)(?:are|is|do|does|did|were|was|would|can|could|have|has)\b")

_CLAUSE = re.compile(r"[.;!?](?= |$)|\n|,? (?:while|whereas|but|although|though|so|because|since|meaning)\b")
_CUE = re.compile(
    r"\b(?:far|fast|more|great|long|high|larg|bigg|furth|most|quick|slow|less|least|short|small|low|few|near)[a-z]*\b|\boutpaces?\b"
)
_CONTRARY = re.compile(
    r"\b(?:slow|slower|slowest|slowly|less|least|shorter|shortest|smaller|smallest|lower|lowest|fewer|fewest|nearer|not|"
    r"never)\b|n't\b|\bno (?=[a-z]{3,12}er\b)"
)
_AS = re.compile(r"\bas (?:far|fast|quickly|much|long|great|high|large|many|big)\b")
_GAP = r"(?: (?!and\b|or\b)[a-z']{1,20}){0,8}? "
_PAIR_FIRST = re.compile(r"\b(?:of|between|comparing|among|amongst)\b[^,.;:\n]{0,200}[,:]")


def named(option: str, text: str) -> bool:
    """Whether a plain text names an option."""
    return any(True for _ in _mentions(option).finditer(text))


def yes_option(question: str, options: Sequence[str]) -> str | None:
    """What "Yes" means: the single option that a plain yes-or-no question names; None for any other question."""
    naming = [option for option in options if named(option, question)]
    return naming[0] if len(naming) == 1 and _YES_NO_QUESTION.search(question) else None


def chosen(text: str, options: tuple[str, ...], yes: str | None = None) -> str | None:
    """The option that a plain text settles on, or None where it names none, several, or contradicts itself."""
    if set(options) == set(DIRECTION_RELATIONS):
        found = _relations(text)
        if yes is not None and (said := _YES_NO.match(text)):
            found.add(yes if said[1] == "yes" else _other(yes, options))
        return found.pop() if len(found) == 1 else None
    return _compared(text, options)


def _relations(text: str) -> set[str]:
    found = set()
    for option in DIRECTION_RELATIONS:
        for match in _mentions(option).finditer(text):
            negated = _NEGATED.search(text[max(0, match.start() - 60) : match.start()])
            found.add(_other(option, DIRECTION_RELATIONS) if negated else option)
    return found


def _compared(text: str, options: tuple[str, ...]) -> str | None:
    """Clause by clause: who is said to be ahead and who behind; clauses that compare outweigh those that only name."""
    stated: set[str] = set()
    beaten: set[str] = set()
    only_named: set[str] = set()
    for clause in _CLAUSE.split(text):
        mentioned = [option for option in options if named(option, clause)]
        if not mentioned:
            continue
        ahead, behind, compares = _clause(clause, options)
        if ahead is None:
            return None
        if compares:
            stated |= ahead
            beaten |= behind
        else:
            only_named |= ahead
            beaten |= behind
    ahead = stated or (only_named if not beaten or only_named - beaten else set())
    if not ahead and len(options) == 2 and len(beaten) == 1:
        return _other(next(iter(beaten)), options)
    return next(iter(ahead)) if len(ahead) == 1 and not ahead & beaten else None


def _clause(clause: str, options: tuple[str, ...]) -> tuple[set[str] | None, set[str], bool]:
    """Options ahead and behind in one clause, and whether it compares at all; None ahead where it cannot be told."""
    any_option = "|".join(options)
    first = _PAIR_FIRST.search(clause)
    if first and sum(named(option, first[0]) for option in options) > 1:
        clause = clause[first.end() :]
    standard = re.compile(
        r"\b(?:than|compared (?:with|to)|in comparison (?:with|to)|relative to|unlike|rather than|instead of|"
        r"outpaces?)"
        rf"{_GAP}(?P<option>{any_option})\b|(?:\bnot (?:the |by the )?(?:object marked (?:by|with|in) the )?"
        rf"(?P<out>{any_option})\b)"
    )
    equal = _AS.search(clause)
    if equal:
        clause, standard_of_as = clause[: equal.end()], clause[equal.end() :]
        behind = {option for option in options if named(option, standard_of_as)}
    else:
        behind = set()
    for match in standard.finditer(clause):
        behind.add(match["option"] or match["out"])
    rest = standard.sub(" ", clause)
    ahead = {option for option in options if named(option, rest)}
    contrary = len(_CONTRARY.findall(rest))
    if (equal and contrary == 0) or contrary > 1:
        return (None if behind or len(ahead) > 1 else set()), set(), True
    compares = bool(_CUE.search(rest)) or bool(behind and ahead)
    if contrary == 1:
        if len(ahead) > 1 or len(behind) > 1:
            return None, set(), True
        return behind, ahead, True
    return ahead, behind, compares


def _mentions(option: str) -> re.Pattern[str]:
    if option == "same":
        return _SAME
    if option == "different":
        return _DIFFERENT
    return re.compile(rf"\b{re.escape(option)}\b")


def _other(option: str, options: Sequence[str]) -> str:
    return options[1] if option == options[0] else options[0]
