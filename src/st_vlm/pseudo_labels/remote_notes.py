"""A note of which files lie the same in a run's folder and in its remote one."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from threading import Lock

from st_vlm.pseudo_labels.files import whole_file

_STATE = "state"


class RemoteNotes:
    """Kept in a file, a line a fact, so that a launching side that was killed knows what it knew.

    Args:
        file: Where.
        url: Of the remote folder; what is noted of another one is forgotten.
    """

    def __init__(self, file: Path, url: str) -> None:
        self._file, self._lock = file, Lock()
        self._same: dict[str, tuple[int, int]] = {}
        self.id = secrets.token_hex(8)
        self._read(url)
        file.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(file) as temporary:
            lines = [{"id": self.id, "url": url}, *({"name": name, _STATE: it} for name, it in self._same.items())]
            temporary.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")

    def add(self, name: str, file: Path) -> None:
        """Note that a file, by its name in both folders, is the same in both."""
        state = _state(file)
        with self._lock:
            self._same[name] = state
            with self._file.open("a", encoding="utf-8") as notes:
                notes.write(json.dumps({"name": name, _STATE: state}) + "\n")

    def __contains__(self, name: str) -> bool:
        """Whether the file was once the same in both."""
        return name in self._same

    def is_same(self, name: str, file: Path) -> bool:
        """Whether it is the same still, as far as it lies here."""
        return self._same.get(name) == _state(file)

    def _read(self, url: str) -> None:
        if not self._file.is_file():
            return
        lines = []
        for text in self._file.read_text(encoding="utf-8").splitlines():
            try:
                lines.append(json.loads(text))
            except ValueError:
                continue  # The last one, cut off.
        if lines and lines[0].get("url") == url:
            self.id = lines[0]["id"]
            self._same = {line["name"]: tuple(line[_STATE]) for line in lines[1:]}


def _state(file: Path) -> tuple[int, int]:
    state = os.stat(file)
    return state.st_size, state.st_mtime_ns
