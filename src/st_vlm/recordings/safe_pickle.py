"""Pickles of plain numbers, lists and arrays, read without running anything that a pickle asks for.

A pickle is a program: it imports what it names and calls it. Here nothing is imported. The few names that a NumPy
array's pickle needs stand for small parsers of this module, so that not even NumPy's own unpickling, which trusts the
shapes and types it is given, sees the file's bytes; every other name is refused.

One part may stand in many places: 60 tuples, each of which holds the one before twice, have 2^60 parts for whatever
walks them. Hashing and printing do, so nothing is hashed or printed before its parts were counted.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import re
from collections.abc import Callable

import numpy as np

# A 3x3 matrix takes a few hundred bytes. A limit this low also bounds how deep anything can nest.
MOST_BYTES = 4096
MOST_NUMBERS = 256
_NUMERIC = re.compile(r"[fiu][1248]|b1")
_ORDERS = ("<", ">", "|", "=")
# The unpickler hashes their keys and members on the spot.
_HASHING = {"DICT", "SETITEM", "SETITEMS", "ADDITEMS", "FROZENSET"}


class UnsafePickle(ValueError):
    """A pickle that asks for more than plain numbers, lists and arrays; the message completes "it …"."""


class BrokenPickle(ValueError):
    """Bytes that are no complete pickle; the message is the reason."""


def load_plain(blob: bytes) -> object:
    """What a pickle holds: numbers, text, None, and tuples and lists of these; arrays as `numpy.ndarray`.

    Admitted besides: NumPy scalars, and the list types of nuPlan's devkit, which become plain lists.

    Raises:
        UnsafePickle: It names anything else, uses the extension registry, or holds a dict, a set or an array of
            objects.
        BrokenPickle: It is truncated, malformed, longer than `MOST_BYTES` or of more than `MOST_NUMBERS` parts.
    """
    if len(blob) > MOST_BYTES:
        raise BrokenPickle(f"{len(blob)} bytes, more than a few numbers need")
    try:
        _scan(blob)
        return _plain(_Unpickler(io.BytesIO(blob)).load())
    except (UnsafePickle, BrokenPickle):
        raise
    except MemoryError:
        raise BrokenPickle("it asks for more memory than there is") from None
    except Exception as error:  # the unpickler raises whatever its opcodes run into
        raise BrokenPickle(_one_line(str(error)) or type(error).__name__) from None


def load_numbers(blob: bytes, shape: tuple[int, ...]) -> np.ndarray:
    """A pickle's numbers as a float64 array of one shape; -1 stands for any length.

    Raises:
        UnsafePickle, BrokenPickle: As `load_plain`.
        BrokenPickle: It holds no finite numbers of this shape.
    """
    found = load_plain(blob)
    try:
        array = np.asarray(found)
        if array.dtype.kind not in "iuf" and array.size:
            raise ValueError
        array = array.astype(np.float64)
    except (TypeError, ValueError):
        raise BrokenPickle(f"it holds {_printed(found)}") from None
    fits = array.ndim == len(shape) and all(want in (-1, have) for want, have in zip(shape, array.shape, strict=True))
    if not fits or not np.isfinite(array).all():
        raise BrokenPickle(f"it holds {_printed(found)}")
    return array


def _scan(blob: bytes) -> None:
    """Refuse, before anything is built, what the unpickler would do without asking `find_class`."""
    for opcode, argument, _ in pickletools.genops(blob):
        if opcode.name.startswith("EXT"):
            raise UnsafePickle(f"calls extension {argument} of Python's registry")
        if "PERSID" in opcode.name:
            raise UnsafePickle("refers to an object outside itself")
        if opcode.name in _HASHING:
            raise UnsafePickle("builds a dict or a set")
        if opcode.name == "DUP":
            raise UnsafePickle("repeats a part in a way that Python never writes")
        if "PUT" in opcode.name and argument > MOST_BYTES:
            # The unpickler allots its memo up to the greatest index.
            raise BrokenPickle(f"memo index {argument}")


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        maker = _ADMITTED.get((module, name))
        if maker is None:
            raise UnsafePickle(f"tries to import {_one_line(f'{module}.{name}')}")
        return list if maker is list else _Callable(maker)


class _Callable:
    """What an admitted name becomes: called as the pickle asks, and closed to changes.

    New for every use, so that no pickle can leave anything behind for the next.
    """

    __slots__ = ("_maker",)

    def __init__(self, maker: Callable) -> None:
        self._maker = maker

    def __call__(self, *arguments: object) -> object:
        return self._maker(*arguments)

    def __setstate__(self, state: object) -> None:
        raise UnsafePickle("tries to change what it imports")


class _Type:
    """A number type that the pickle builds in two steps: its letter and width, then its byte order."""

    __slots__ = ("dtype",)

    def __init__(self, code: object, *_: object) -> None:
        if isinstance(code, str) and code.lstrip("<>=|").startswith("O"):
            raise UnsafePickle("holds an array of arbitrary objects")
        if not isinstance(code, str) or not _NUMERIC.fullmatch(code.lstrip("<>=|")):
            raise UnsafePickle(f"holds an array of {_short(code)}, not of numbers")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple) -> None:
        _, order, *rest = state
        if any(part is not None for part in rest[:3]):
            raise UnsafePickle("holds an array of records, not of numbers")
        if not isinstance(order, str) or order not in _ORDERS:
            raise BrokenPickle("a number type of an unknown byte order")
        self.dtype = self.dtype.newbyteorder(order)


class _Array:
    """An array that the pickle builds in two steps: an empty one, then its shape, type and bytes."""

    __slots__ = ("values",)

    def __init__(self, *_: object) -> None:
        self.values: np.ndarray | None = None

    def __setstate__(self, state: tuple) -> None:
        shape, kind, fortran, raw = state[-4:]
        self.values = _array(raw, kind, shape, "F" if fortran else "C")


def _array(raw: object, kind: object, shape: object, order: object = "C") -> np.ndarray:
    if not isinstance(kind, _Type) or not isinstance(raw, bytes | bytearray) or order not in ("C", "F"):
        raise BrokenPickle("an array whose parts do not fit together")
    lengths = shape if isinstance(shape, tuple) else (None,)
    if not all(type(length) is int and 0 <= length <= MOST_NUMBERS for length in lengths):
        raise BrokenPickle("an array of an impossible shape")
    return np.frombuffer(raw, kind.dtype).reshape(shape, order=order)


def _from_buffer(raw: object, kind: object, shape: object, order: object, *_: object) -> np.ndarray:
    return _array(raw, kind, shape, order)


def _scalar(kind: object, raw: object) -> float | int:
    return _array(raw, kind, ()).item()


def _encoded(text: object = "", encoding: object = "latin1") -> bytes:
    if not isinstance(text, str) or encoding != "latin1":
        raise BrokenPickle("bytes in an unexpected encoding")
    return text.encode("latin1")


def _no_call(*_: object) -> None:
    raise UnsafePickle("builds an array in an unusual way")


# The name of NumPy's private package changed with version 2, and with it all pickles of arrays.
_ADMITTED: dict[tuple[str, str], Callable] = {
    ("numpy", "ndarray"): _no_call,
    ("numpy", "dtype"): _Type,
    # How the older protocols write bytes; no bytes at all are a call of `bytes`.
    ("_codecs", "encode"): _encoded,
    ("__builtin__", "bytes"): _encoded,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _Array for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _scalar for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _from_buffer for core in ("core", "_core")},
    **{("nuplan.database.common.data_types", name): list for name in ("Translation", "Rotation", "CameraIntrinsic")},
}


def _plain(value: object) -> object:
    """The same with finished arrays, copied part by part: one part may stand in many places, so all are counted."""
    left = [MOST_NUMBERS]

    def count(parts: int) -> None:
        left[0] -= parts
        if left[0] < 0:
            raise BrokenPickle("more parts than a few numbers need")

    def copy(part: object, depth: int) -> object:
        count(1 if depth <= 8 else MOST_NUMBERS + 1)
        if isinstance(part, list | tuple):
            return type(part)(copy(inner, depth + 1) for inner in part)
        if isinstance(part, _Array):
            part = part.values
        if isinstance(part, np.ndarray):
            count(part.size)
            return part.copy()
        if type(part) is int and part.bit_length() > 64:
            raise BrokenPickle("an impossibly large number")
        if part is None or type(part) in (bool, int, float, str):
            return part
        raise UnsafePickle(f"holds {_short(part)}")

    return copy(value, 0)


def _short(value: object) -> str:
    """A value for a sentence, whatever it is: of what may have parts, the type alone."""
    return _printed(value) if isinstance(value, str | int | float) else type(value).__name__


def _printed(value: object) -> str:
    """A value whose parts were counted."""
    return _one_line(repr(value))


def _one_line(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 80 else f"{text[:77]}…"
