"""The candidates of every task by its id: what a build asks from."""

from __future__ import annotations

from st_vlm.questions.chains.candidates import REASONING_CANDIDATES
from st_vlm.questions.further import FURTHER_CANDIDATES
from st_vlm.questions.tasks import TASK_CANDIDATES, Task

ALL_CANDIDATES: dict[str, Task] = {**TASK_CANDIDATES, **FURTHER_CANDIDATES, **REASONING_CANDIDATES}
