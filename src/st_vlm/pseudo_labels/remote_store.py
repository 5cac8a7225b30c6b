"""A folder that machines without a common disk share: a bucket or a repository of the Hub, S3, or whatever fsspec
reaches. A file in it is whole or not there."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from fsspec.core import url_to_fs

from st_vlm.errors import InputError

# There a file appears once all of it has arrived; elsewhere it grows under its name.
_WHOLE_BY_NATURE = {"hf", "s3", "s3a", "gs", "gcs", "abfs", "abfss", "az"}
_TRANSFERS = 8


class RemoteStore:
    """A folder at an fsspec URL.

    Args:
        url: Such as `hf://buckets/NAME/BUCKET/FOLDER` or `s3://BUCKET/FOLDER`.

    Raises:
        InputError: No such kind of store, or a package for it is not installed.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        try:
            self._fs, root = url_to_fs(self.url)
        except (ImportError, ValueError) as error:
            raise InputError(f"{url} cannot be used as the run's remote folder: {error}") from None
        self._root = root.rstrip("/")
        protocol = self._fs.protocol
        names = {protocol} if isinstance(protocol, str) else set(protocol)
        self._whole_by_nature = bool(names & _WHOLE_BY_NATURE)

    def sizes(self, folder: str) -> dict[str, int]:
        """Bytes of all files beneath a folder, by their paths from it; none where there is no such folder.

        Raises:
            InputError: The store cannot be reached.
        """
        at = self._at(folder)
        with self._told():
            self._fs.invalidate_cache()
            try:
                found = self._fs.find(at, detail=True)
            except FileNotFoundError:
                return {}
        names = {path.removeprefix(at).lstrip("/"): info["size"] for path, info in found.items()}
        return {name: size for name, size in names.items() if not name.rpartition("/")[2].startswith(".")}

    def has(self, name: str) -> bool:
        """Whether there is such a file.

        Raises:
            InputError: The store cannot be reached.
        """
        with self._told():
            self._fs.invalidate_cache()
            return self._fs.isfile(self._at(name))

    def fetch(self, name: str, file: Path) -> None:
        """Copy a file from the store.

        Raises:
            InputError: It is not there, or the store cannot be reached.
        """
        with self._told():
            self._fs.get_file(self._at(name), str(file))

    def send(self, file: Path, name: str) -> None:
        """Copy a file to the store, where it appears whole or not at all.

        Raises:
            InputError: The store cannot be reached.
        """
        target = self._at(name)
        with self._told():
            if self._whole_by_nature:
                self._fs.put_file(str(file), target)
                return
            parent, _, last = target.rpartition("/")
            temporary = f"{parent}/.{secrets.token_hex(4)}.{last}"
            self._fs.makedirs(parent, exist_ok=True)
            try:
                self._fs.put_file(str(file), temporary)
                self._fs.mv(temporary, target)
            except BaseException:
                with suppress(Exception):
                    self._fs.rm_file(temporary)
                raise

    def remove(self, names: Sequence[str]) -> None:
        """Remove files; those that are not there do not matter.

        Raises:
            InputError: The store cannot be reached.
        """

        def remove(name: str) -> None:
            with self._told(), suppress(FileNotFoundError):
                self._fs.rm(self._at(name))

        in_parallel(remove, names)

    def read_json(self, name: str) -> dict[str, Any]:
        """Read a JSON object.

        Raises:
            InputError: There is no such file, it holds something else, or the store cannot be reached.
        """
        with self._told():
            self._fs.invalidate_cache()
            text = self._fs.cat_file(self._at(name))
        try:
            value = json.loads(text)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise InputError(f"{self.url}/{name} holds no JSON object. Start the run again.")
        return value

    def write_json(self, name: str, value: dict, scratch: Path) -> None:
        """Write a JSON object, whole or not at all.

        Args:
            name: Of the file.
            value: The object.
            scratch: A folder for it on its way.

        Raises:
            InputError: The store cannot be reached.
        """
        file = scratch / secrets.token_hex(8)
        try:
            file.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
            self.send(file, name)
        finally:
            file.unlink(missing_ok=True)

    def _at(self, name: str) -> str:
        return f"{self._root}/{name}"

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise InputError(f"{self.url} lacks a file ({error}). Start the run again.") from None
        except Exception as error:  # Each store's library has errors of its own.
            why = str(error) or type(error).__name__
            raise InputError(f"{self.url} cannot be read or written: {why}") from None


def in_parallel(do: Callable[[Any], None], items: Sequence[Any]) -> None:
    """Do something with each item, several at once, for what mostly waits.

    Raises:
        Exception: The first that one of them raised.
    """
    with ThreadPoolExecutor(_TRANSFERS) as pool:
        for _ in pool.map(do, items):
            pass
