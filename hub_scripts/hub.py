"""A set of files to a repository of a Hub and back: one commit, only what changed, refusals as sentences.

Tokens are huggingface_hub's own affair (`hf auth login`, HF_TOKEN): none is taken, kept or printed here.
"""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, constants, get_token, snapshot_download
from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    HTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils import validate_repo_id

from st_vlm.errors import InputError

RepoType = Literal["dataset", "model"]
# A commit takes 25,000 large files at most.
MOST_FILES = 20_000
# Made by the Hub itself for every repository.
_HUBS_OWN = ".gitattributes"
_TOKEN = re.compile(r"hf_\w+|Bearer\s+\S+", re.IGNORECASE)
_LONGEST = 200


@dataclass(frozen=True)
class Pushed:
    """What a push did.

    Attributes:
        url: Of the repository.
        commit: The revision that now holds the files.
        added, deleted, unchanged: Numbers of files; changed ones count as added.
    """

    url: str
    commit: str | None
    added: int
    deleted: int
    unchanged: int


def push(
    files: Mapping[str, Path],
    repo_id: str,
    repo_type: RepoType = "dataset",
    private: bool = False,
    revision: str | None = None,
    message: str = "Upload with st-vlm",
) -> Pushed:
    """Make a repository hold exactly these files; it is made if missing, and a file that it has is not sent again.

    One commit, so that nobody loads a half-written set. Of more files than a commit takes, the videos go first, in
    commits of their own, and the tables that name them in the last.

    Args:
        files: Path in the repository -> file.
        repo_id: `owner/name`.
        repo_type: Kind of repository.
        private: Whether only its owner sees it.
        revision: Branch, made if missing; default: the main one.
        message: Of the commit.

    Raises:
        InputError: The hub refuses or cannot be reached.
    """
    check_name(repo_id)
    api = HfApi()
    branch = revision or constants.DEFAULT_REVISION
    with told_of_refusals(repo_id, repo_type):
        _make_repository(api, repo_id, repo_type, private)
        parent = _head(api, repo_id, repo_type, branch)
        tree = api.list_repo_tree(repo_id, recursive=True, revision=branch, repo_type=repo_type)
        there = {entry.path: entry for entry in tree if isinstance(entry, RepoFile)}
        new = [path for path, file in files.items() if not _is_same(there.get(path), file)]
        old = sorted(set(there) - set(files) - {_HUBS_OWN})
        for number, operations in enumerate(_commits(new, old, files)):
            done = api.create_commit(
                repo_id,
                operations,
                commit_message=message if not number else f"{message} ({number + 1})",
                repo_type=repo_type,
                revision=branch,
                parent_commit=parent,
            )
            parent = done.oid
    url = f"{constants.ENDPOINT}/{constants.REPO_TYPES_URL_PREFIXES.get(repo_type, '')}{repo_id}"
    return Pushed(url, parent, len(new), len(old), len(files) - len(new))


def fetch(repo_id: str, repo_type: RepoType = "dataset", revision: str | None = None) -> Path:
    """Download a repository into the cache, or find it there, and return its folder.

    Raises:
        InputError: The hub refuses or cannot be reached.
    """
    check_name(repo_id)
    with told_of_refusals(repo_id, repo_type):
        return Path(snapshot_download(repo_id, repo_type=repo_type, revision=revision))


def check_name(repo_id: str) -> None:
    """Refuse what cannot be a repository's name, before anything is asked of a hub.

    Raises:
        InputError: It is not `owner/name` with letters, digits and `-`, `_`, `.`.
    """
    try:
        validate_repo_id(repo_id)
        if repo_id.count("/") == 1:
            return
    except HFValidationError:
        pass
    raise InputError(
        f"{repo_id!r} is no name of a repository: give owner/name, each of letters, digits, '-', '_' and '.', "
        "neither at an end, nor two dots or dashes together."
    )


@contextmanager
def told_of_refusals(repo_id: str, repo_type: RepoType) -> Iterator[None]:
    """Turn what goes wrong between us and the hub into one sentence that holds no token.

    Raises:
        InputError: The hub refused, or could not be reached.
    """
    try:
        with warnings.catch_warnings():
            # Of YAML that the hub accepts with a remark; and of its own deprecations.
            warnings.simplefilter("ignore")
            yield
    except InputError:
        raise
    except (HTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, RuntimeError, ValueError) as error:
        raise InputError(refusal(error, f"{repo_type} {repo_id}")) from None


def refusal(error: Exception, what: str) -> str:
    """The sentence for an error of huggingface_hub.

    Args:
        error: It, or one that it caused.
        what: Kind and name of the repository.
    """
    causes = [error]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) is not None and cause not in causes:
        causes.append(cause)
    answered = next((one for one in causes if isinstance(one, HfHubHTTPError)), None)
    if answered is None:
        if any(isinstance(one, OfflineModeIsEnabled) for one in causes):
            return f"{constants.ENDPOINT} was not asked for the {what}, for HF_HUB_OFFLINE is set."
        if any(isinstance(one, HTTPError | LocalEntryNotFoundError) for one in causes):
            return (
                f"The hub {constants.ENDPOINT} cannot be reached. Look at the network and HF_ENDPOINT, and try again."
            )
        return f"The hub {constants.ENDPOINT} refused the {what}: {_plain(str(error))}"
    status = answered.response.status_code
    said = _plain(answered.server_message or "")
    return f"{_WHY.get(status, _FAULT if status >= 500 else _OTHER)} ({status})".format(
        hub=constants.ENDPOINT, what=what
    ) + (f": {said}" if said else ".")


_WHY = {
    401: "The hub {hub} does not know you: log in with `hf auth login`, or set HF_TOKEN, to use the {what}",
    402: "The hub {hub} wants to be paid before it takes the {what}",
    403: "The hub {hub} does not let you write the {what}: use a token with write access to its owner",
    404: "The hub {hub} has no {what}, or you may not see it",
    409: "The {what} is taken or was changed by somebody else just now: look at it and try again",
    412: "The {what} was changed by somebody else just now: look at it and try again",
    413: "The hub {hub} finds what was sent for the {what} too large",
    429: "The hub {hub} got too many requests: wait, and run the same command again",
}
_FAULT = "The hub {hub} has a fault: try again later; what it has already is not sent again"
_OTHER = "The hub {hub} refused the {what}"


def _plain(text: str) -> str:
    """The first line of what a server says, shortened, and without anything that looks like a token."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    token = get_token()
    line = _TOKEN.sub("…", line.replace(token, "…") if token else line)
    line = "".join(sign if sign.isprintable() else " " for sign in line)
    line = line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"
    return line if line.endswith((".", "…", "!", "?")) or not line else f"{line}."


def _make_repository(api: HfApi, repo_id: str, repo_type: RepoType, private: bool) -> None:
    """Make the repository if there is none."""
    try:
        info = api.repo_info(repo_id, repo_type=repo_type)
    except RepositoryNotFoundError:
        try:
            api.create_repo(repo_id, repo_type=repo_type, private=private or None)
        except HfHubHTTPError as error:
            other = "model" if repo_type == "dataset" else "dataset"
            if error.response.status_code == 409 and api.repo_exists(repo_id, repo_type=other):
                where = f"{repo_id} is a {other} on {constants.ENDPOINT}, no {repo_type}"
                raise InputError(f"{where}: choose another name.") from None
            raise
        return
    if private and not info.private:
        raise InputError(
            f"The {repo_type} {repo_id} exists and is public, so nothing was uploaded: make it private on the hub "
            "first, or leave --private out."
        )


def _head(api: HfApi, repo_id: str, repo_type: RepoType, branch: str) -> str | None:
    """The branch's last commit; the branch is made if missing."""
    try:
        return api.repo_info(repo_id, repo_type=repo_type, revision=branch).sha
    except RevisionNotFoundError:
        api.create_branch(repo_id, branch=branch, repo_type=repo_type, exist_ok=True)
        return api.repo_info(repo_id, repo_type=repo_type, revision=branch).sha


def _is_same(entry: RepoFile | None, file: Path) -> bool:
    """Whether the repository's file has this one's content."""
    if entry is None:
        return False
    size = file.stat().st_size
    if entry.lfs is not None:
        if entry.lfs.size != size:
            return False
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest() == entry.lfs.sha256
    if entry.size != size:
        return False
    # What Git itself hashes.
    digest = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    digest.update(file.read_bytes())
    return digest.hexdigest() == entry.blob_id


def _commits(new: list[str], old: list[str], files: Mapping[str, Path]) -> Iterator[list]:
    """The operations of each commit; nothing where nothing changed."""
    early: list[str] = []
    if len(new) > MOST_FILES:
        early = [path for path in new if path.endswith(".mp4")]
        new = [path for path in new if not path.endswith(".mp4")]
    for start in range(0, len(early), MOST_FILES):
        yield [CommitOperationAdd(path, str(files[path])) for path in early[start : start + MOST_FILES]]
    if new or old:
        yield [CommitOperationAdd(path, str(files[path])) for path in new] + [
            CommitOperationDelete(path) for path in old
        ]
