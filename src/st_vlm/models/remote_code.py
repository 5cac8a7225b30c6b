"""Generates the files for `trust_remote_code`: of the package's own modules, what model and processor reach.

transformers copies plain files that import each other as `from .name import …` from one folder. So each module becomes
a file of its own with such imports. Only top-level statements that are reached come along, which keeps out libraries
that only other parts of a module need.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

from st_vlm.models.carried_code import AUTO_MAP, ENTRY

PACKAGE = "st_vlm"
_ROOT = Path(__file__).parents[1]
_MODELS = f"{PACKAGE}.models"
CLASSES = {
    "STVLMConfig": f"{_MODELS}.configuration_st_vlm",
    "STVLMForConditionalGeneration": f"{_MODELS}.modeling_st_vlm",
    "STVLMProcessor": f"{_MODELS}.processing_st_vlm",
    "STVLMVideoProcessor": f"{_MODELS}.video_processing_st_vlm",
}


@cache
def generate() -> dict[str, str]:
    """File name -> content of every file, `auto_map`'s own among them; the same package gives the same bytes."""
    reached: dict[str, set[str]] = defaultdict(set)
    to_reach = [(module, name) for name, module in CLASSES.items()]
    while to_reach:
        module, name = to_reach.pop()
        if name in reached[module]:
            continue
        found = _read(module)
        if not reached[module]:
            to_reach += [(module, bound) for part in found if part.is_always_kept for bound in part.binds]
            to_reach += [needed for part in found if part.is_always_kept for needed in _needs(module, part)]
        reached[module].add(name)
        # A name that the module does not bind cannot be imported here either.
        to_reach += [needed for part in found if name in part.binds for needed in _needs(module, part, name)]
    files = {_file_name(module): _written(module, names) for module, names in reached.items()}
    return dict(sorted({**files, f"{ENTRY}.py": _entry()}.items()))


@dataclass(frozen=True)
class _Part:
    """A top-level statement.

    Attributes:
        node: It.
        lines: Its source, with the comments and blank lines before it.
        first_line: Number of the first of them.
        binds: Names that it gives the module.
        uses: Names that it reads, be they the module's or not.
    """

    node: ast.stmt
    lines: tuple[str, ...]
    first_line: int
    binds: frozenset[str]
    uses: frozenset[str]

    @property
    def is_always_kept(self) -> bool:
        """Whether it does something when it is run, as a loop does: it is kept wherever its module is."""
        if isinstance(self.node, ast.ImportFrom):
            return self.node.module == "__future__"
        return not isinstance(self.node, ast.Import | ast.FunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign)


@cache
def _read(module: str) -> tuple[_Part, ...]:
    source = _path(module).read_text(encoding="utf-8")
    lines = source.splitlines()
    parts, before = [], 0
    for node in ast.parse(source).body:
        parts.append(
            _Part(node, tuple(lines[before : node.end_lineno]), before + 1, frozenset(_binds(node)), _uses(node))
        )
        before = node.end_lineno
    return tuple(parts)


def _path(module: str) -> Path:
    plain = _ROOT.joinpath(*module.split(".")[1:])
    return plain / "__init__.py" if plain.is_dir() else plain.with_suffix(".py")


def _file_name(module: str) -> str:
    """Flat, and under their own names those of the models: `video.marks` is `video_marks.py`."""
    return "_".join(module.removeprefix(f"{_MODELS}.").removeprefix(f"{PACKAGE}.").split(".")) + ".py"


def _binds(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {alias.asname or alias.name.split(".")[0] for alias in node.names}
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    return {one.id for one in ast.walk(node) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)}


def _uses(node: ast.stmt) -> frozenset[str]:
    return frozenset(one.id for one in ast.walk(node) if isinstance(one, ast.Name))


def _needs(module: str, part: _Part, name: str | None = None) -> list[tuple[str, str]]:
    """What a statement needs of the package: (module, name). Of an import, what is needed for one name."""
    own = {bound for other in _read(module) for bound in other.binds}
    needed = [(module, used) for used in part.uses if used in own]
    for node in ast.walk(part.node):
        if _is_ours(node):
            wanted = [alias.name for alias in node.names if node is not part.node or _bound(alias) == name]
            needed += [(node.module, one) for one in wanted]
    return needed


def _is_ours(node: ast.AST) -> bool:
    """Whether it is an import of the package's own names.

    Raises:
        RuntimeError: One in a form that cannot be carried along.
    """
    if isinstance(node, ast.Import) and any(alias.name.split(".")[0] == PACKAGE for alias in node.names):
        raise RuntimeError(f"`{ast.unparse(node)}` cannot be carried along: write `from {PACKAGE}.… import …`.")
    if not isinstance(node, ast.ImportFrom):
        return False
    if node.level:
        raise RuntimeError(f"`{ast.unparse(node)}` cannot be carried along: write the module's full name.")
    return node.module.split(".")[0] == PACKAGE


def _bound(alias: ast.alias) -> str:
    return alias.asname or alias.name.split(".")[0]


def _written(module: str, names: set[str]) -> str:
    """A module's file, with what is reached of it."""
    lines = [f"# {module} of st-vlm {version('st-vlm')} (Apache-2.0). Generated: change the package, not this file."]
    for number, part in enumerate(_read(module)):
        is_docstring = number == 0 and isinstance(part.node, ast.Expr)
        if is_docstring or part.is_always_kept or part.binds & names:
            lines += _rewritten(part, names)
    return "\n".join(lines) + "\n"


def _rewritten(part: _Part, names: set[str]) -> list[str]:
    """A statement's lines, its imports of the package made relative and, of its own names, only those reached."""
    lines = list(part.lines)
    for node in sorted(ast.walk(part.node), key=lambda one: -getattr(one, "lineno", 0)):
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        at_top = node is part.node and getattr(node, "module", None) != "__future__"
        kept = [alias for alias in node.names if not at_top or _bound(alias) in names]
        ours = _is_ours(node)
        if not ours and len(kept) == len(node.names):
            continue
        if isinstance(node, ast.Import):
            written = ast.Import(kept)
        elif ours:
            written = ast.ImportFrom(Path(_file_name(node.module)).stem, kept, 1)
        else:
            written = ast.ImportFrom(node.module, kept, 0)
        first, last = node.lineno - part.first_line, node.end_lineno - part.first_line
        lines[first : last + 1] = [lines[first][: node.col_offset] + ast.unparse(written)]
    return lines


def _entry() -> str:
    imports = "\n".join(f"from .{Path(_file_name(module)).stem} import {name}" for name, module in CLASSES.items())
    listed = ", ".join(f'"{name}"' for name in CLASSES)
    return f'"""Where `auto_map` finds ST-VLM: {", ".join(AUTO_MAP)}."""\n\n{imports}\n\n__all__ = [{listed}]\n'
