"""placeholder"""
from __future__ import annotations

from st_vlm.questions.answers import Answer

PARSER_VERSION = 1
def parse_answer(task: str, text: str, question: str | None = None) -> Answer | None:
    raise NotImplementedError
