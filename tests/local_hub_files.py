"""What the local hub holds: repositories in memory, files as the tree lists them, and its opinion of a card's YAML."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field

import yaml

LARGE = (".parquet", ".mp4", ".safetensors", ".bin", ".zip")


@dataclass
class Repository:
    """Files by commit, and commits by branch.

    Attributes:
        private: Whether only who has a token sees it.
        commits: Commit -> path -> content.
        branches: Branch -> commit.
        messages: Of the commits, in their order.
    """

    private: bool = False
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)

    def commit(self, branch: str, files: dict[str, bytes], message: str) -> str:
        self.messages.append(message)
        name = hashlib.sha1(f"{len(self.messages)} {message}".encode()).hexdigest()
        self.commits[name], self.branches[branch] = files, name
        return name

    def files(self, revision: str = "main") -> dict[str, bytes]:
        return self.commits[self.branches.get(revision, revision)]


def entry_of(path: str, content: bytes) -> dict:
    """A file as the tree lists it: by Git's own hash, and a large one by its SHA-256."""
    if not path.endswith(LARGE):
        return {"type": "file", "path": path, "size": len(content), "oid": _git_hash(content)}
    name = hashlib.sha256(content).hexdigest()
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{name}\nsize {len(content)}\n".encode()
    lfs = {"oid": name, "size": len(content), "pointerSize": len(pointer)}
    return {"type": "file", "path": path, "size": len(content), "oid": _git_hash(pointer), "lfs": lfs}


def folder_of(path: str) -> dict:
    return {"type": "directory", "path": path, "size": 0, "oid": _git_hash(path.encode())}


def _git_hash(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


_LICENCES = ("apache-2.0", "mit", "cc0-1.0", "cc-by-4.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0", "other")
_SIZES = ("n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M")
_YAML = {
    "license": (lambda v: all(one in _LICENCES for one in ([v] if isinstance(v, str) else v)), "a known licence"),
    "license_name": (lambda v: re.fullmatch(r"[a-z0-9.-]+", v) is not None, "lower case without spaces"),
    "language": (
        lambda v: _texts(v) and all(re.fullmatch(r"[a-z]{2,3}", one) for one in v),
        "a list of language codes",
    ),
    "size_categories": (lambda v: _texts(v) and all(one in _SIZES for one in v), "a list of size classes"),
    "task_categories": (_texts, "a list of texts"),
    "tags": (_texts, "a list of texts"),
    "pretty_name": (lambda v: isinstance(v, str), "a text"),
    "configs": (lambda v: all(isinstance(one.get("config_name"), str) for one in v), "a list with config_name"),
}


def yaml_errors(card: str) -> list[str]:
    """What is wrong with a card's header, as strict as the real hub where it matters here."""
    head = re.match(r"---\n(.*?)\n---\n", card, re.DOTALL)
    try:
        found = yaml.safe_load(head[1]) if head else {}
    except yaml.YAMLError as error:
        return [str(error)]
    return [f'"{key}" must be {what}' for key, (fits, what) in _YAML.items() if key in found and not fits(found[key])]
