"""How commands speak: results on standard output, everything else on standard error."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Sequence

# Wide enough for any row: a table that goes into a file must not be folded at 80 columns.
_WIDTH = 10_000


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows under their column names; numbers are aligned to the right, None is a dash."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    numeric = [any(isinstance(row[i], int | float) for row in rows) for i in range(len(columns))]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name, right in zip(columns, numeric, strict=True):
        table.add_column(name, justify="right" if right else "left", no_wrap=True)
    for row in rows:
        # As `Text`, so that brackets in a name are not taken for markup.
        table.add_row(*(Text(_cell(cell)) for cell in row))
    console = Console(file=sys.stdout, width=_WIDTH, soft_wrap=True)
    with console.capture() as printed:
        console.print(table)
    # Without the blanks that fill the last column.
    sys.stdout.writelines(line.rstrip() + "\n" for line in printed.get().splitlines())


def _cell(cell: object) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    return f"{cell:.2f}" if isinstance(cell, float) else str(cell)


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """A number and its noun; the plural has an s unless another is given.

    >>> counted(1, "recording"), counted(2, "recording"), counted(0, "match", "matches")
    ('1 recording', '2 recordings', '0 matches')
    """
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def say(sentence: str) -> None:
    """A line on standard error."""
    print(sentence, file=sys.stderr)


def report_failures(failures: dict[str, str], what: str) -> None:
    """Say which items failed and why, each reason once: item -> sentence; `what` is the items' plural."""
    items_of = defaultdict(list)
    for item, reason in failures.items():
        items_of[reason].append(item)
    for reason, items in items_of.items():
        whose = ", ".join(items[:3]) if len(items) <= 3 else f"{items[0]} and {len(items) - 1} other {what}"
        say(f"st-vlm: {whose}: {reason}")
