"""The restricted unpickler against honest pickles of every protocol, real attacks, and broken bytes."""

import copyreg
import os
import pickle
import struct
import subprocess
import sys
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from native_layouts.nuplan import devkit_list

from st_vlm.recordings.safe_pickle import BrokenPickle, UnsafePickle, load_numbers, load_plain

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
FLOATS = st.floats(allow_nan=False)
MATRIX = [[1545.0, 0.0, 960.0], [0.0, 1545.0, 560.0], [0.0, 0.0, 1.0]]


@given(
    st.recursive(
        FLOATS | st.integers(-(2**63), 2**63 - 1) | st.booleans() | st.none() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner),
        max_leaves=8,
    ),
    st.sampled_from(PROTOCOLS),
)
def test_plain_values_come_back(value, protocol):
    assert load_plain(pickle.dumps(value, protocol)) == value


@given(
    arrays.arrays(
        st.sampled_from(["<f8", ">f8", "<f4", "<i8", ">i4", "u1", "<u2"]),
        arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    ),
    st.sampled_from(PROTOCOLS),
    st.booleans(),
)
def test_arrays_come_back(array, protocol, fortran):
    array = np.asfortranarray(array) if fortran else array
    found = load_plain(pickle.dumps(array, protocol))
    assert found.shape == array.shape
    np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_calibrations_are_made_of(protocol):
    scalars = [[np.float64(number) for number in row] for row in MATRIX]
    for value in (
        MATRIX,
        np.array(MATRIX),
        [np.array(row) for row in MATRIX],
        scalars,
    ):
        np.testing.assert_array_equal(load_numbers(pickle.dumps(value, protocol), (3, 3)), MATRIX)
    # The pickles of NumPy 1 name another private package.
    old = pickle.dumps(np.array(MATRIX), 2).replace(b"numpy._core", b"numpy.core")
    np.testing.assert_array_equal(load_numbers(old, (3, 3)), MATRIX)


def test_the_devkits_lists_are_lists():
    assert load_plain(devkit_list("CameraIntrinsic", MATRIX)) == MATRIX
    assert type(load_plain(devkit_list("Rotation", [1.0, 0.0, 0.0, 0.0]))) is list
    assert "nuplan" not in sys.modules
    with pytest.raises(UnsafePickle, match=r"data_types\.Visibility"):
        load_plain(devkit_list("Visibility", [1.0]))


class Calls:
    """Pickles as a call of a function."""

    def __init__(self, function, *arguments, state=None):
        self.reduced = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self):
        return self.reduced


def named(module, name, rest=b"."):
    """A pickle that names something, with opcodes to follow."""
    return b"\x80\x04" + b"\x8c" + bytes([len(module)]) + module + b"\x8c" + bytes([len(name)]) + name + b"\x93" + rest


def attacks(marker):
    touch = f"open({str(marker)!r}, 'w').close()"
    command = f"touch {marker}"
    return {
        "os.system": Calls(os.system, command),
        "eval": Calls(eval, touch.replace("open", "__import__('builtins').open")),
        "exec": Calls(exec, touch),
        "Popen": Calls(subprocess.Popen, ["touch", str(marker)]),
        "getattr": Calls(getattr, os, "system"),
        "in a list": [1.0, [Calls(os.system, command)]],
        "in an array of objects": np.array([Calls(os.system, command)], dtype=object),
        "as an array's shape": Calls(np.ndarray, (Calls(os.system, command),)),
        "as a state": Calls(np.dtype, "f8", False, True, state=Calls(os.system, command)),
        "numpy.load": Calls(np.load, str(marker)),
        "fromfile": Calls(np.fromfile, str(marker)),
        "open": Calls(open, str(marker), "w"),
        "a loader": Calls(pickle.loads, pickle.dumps(Calls(os.system, command))),
        "reconstructor": Calls(copyreg._reconstructor, dict, object, None),
    }


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", attacks("/tmp/x"))
def test_an_attack_is_refused_by_name_and_nothing_runs(tmp_path, name, protocol):
    marker = tmp_path / "ran"
    try:
        blob = pickle.dumps(attacks(marker)[name], protocol)
    except TypeError:  # a module cannot be pickled; the refusal comes before it would be needed
        blob = named(b"builtins", b"getattr")
    with pytest.raises(UnsafePickle, match=r"tries to import|arbitrary objects"):
        load_plain(blob)
    assert not marker.exists()
    # The attacks are real: Python's own loader would have run the first of them.
    if name == "os.system":
        pickle.loads(blob)
        assert marker.exists()


@pytest.mark.parametrize(
    ("blob", "words"),
    [
        (named(b"os", b"system", b"\x8c\x04true\x85R."), r"tries to import os\.system"),
        (named(b"builtins", b"eval"), r"builtins\.eval"),
        (b"cposix\nsystem\n(S'true'\ntR.", r"posix\.system"),
        (b"(S'true'\nios\nsystem\n.", r"os\.system"),
        (b"c__builtin__\neval\n(S'1'\ntR.", r"__builtin__\.eval"),
        # Attributes of what is admitted are not admitted.
        (named(b"numpy", b"ndarray.tofile"), r"numpy\.ndarray\.tofile"),
        (named(b"numpy", b"core.multiarray.os.system"), r"os\.system"),
        (named(b"numpy._core.multiarray", b"fromfile"), "fromfile"),
        (named(b"nuplan.database.common.data_types", b"__class__"), "__class__"),
        # Objects made without a call, or by other ways than a name.
        (named(b"subprocess", b"Popen", b")\x81."), r"subprocess\.Popen"),
        (b"\x80\x02\x82\x01.", "extension 1"),
        (b"Psomewhere\n.", "outside itself"),
        (b"\x80\x02K\x01Q.", "outside itself"),
        # Changing what was imported, so that the next pickle meets it.
        (named(b"numpy", b"dtype", b"N}\x86b."), "change what it imports"),
        (named(b"_codecs", b"encode", b"]b."), "change what it imports"),
        # A name that stays where a number should be.
        (named(b"numpy", b"dtype"), "holds"),
        (named(b"numpy", b"ndarray", b")R."), "unusual way"),
        (pickle.dumps(b"bytes"), "holds bytes"),
        (b"\x80\x04\x8f.", "holds set"),
        # Whatever is hashed, before anything can be counted.
        (pickle.dumps({1.0}), "a dict or a set"),
        (pickle.dumps({"a": 1.0}), "a dict or a set"),
        (pickle.dumps({Calls(eval, "1"): 1.0}), "a dict or a set"),
        (named(b"numpy", b"dtype", b"N}\x8c\x08__call__K\x01s\x86b."), "a dict or a set"),
        (pickle.dumps(np.array([1 + 2j])), "complex|c16"),
        (pickle.dumps(np.array(["text"])), "U4"),
        (pickle.dumps(np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")])), "a dict or a set"),
        (pickle.dumps(np.datetime64("2021-01-01")), "M8"),
    ],
)
def test_refusals_say_what_was_asked_for(blob, words):
    with pytest.raises(UnsafePickle, match=words):
        load_plain(blob)
    np.testing.assert_array_equal(load_plain(pickle.dumps(np.array(MATRIX))), MATRIX)  # nothing was left behind


def test_a_registered_extension_is_refused_even_when_it_is_cached():
    copyreg.add_extension("posix", "getpid", 240)
    try:
        blob = pickle.dumps(os.getpid, 2)
        assert b"\x82\xf0" in blob
        assert pickle.loads(blob) is os.getpid
        with pytest.raises(UnsafePickle, match="extension 240"):
            load_plain(blob)
    finally:
        copyreg.remove_extension("posix", "getpid", 240)


HONEST = pickle.dumps(np.array(MATRIX))
DOUBLED = b"\x80\x04]" + b"\x94" + b"".join(b"]\x94(h" + bytes([i, 0x68, i]) + b"e" for i in range(40)) + b"."


@pytest.mark.parametrize(
    "blob",
    [
        b"",
        b"garbage",
        HONEST[:-1],
        HONEST[: len(HONEST) // 2],
        HONEST[10:],
        pickle.dumps([0.0] * 10_000),
        pickle.dumps(list(range(1000)), 2),
        DOUBLED,
        b"\x80\x02" + b"]" * 100 + b"a" * 99 + b".",
        b"\x80\x02]r" + struct.pack("<I", 2**31 - 1) + b".",
        b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b"x.",
        b"\x80\x02\x8b" + struct.pack("<i", 2000) + b"\x01" * 2000 + b".",
        b"\x80\x09N.",
        pickle.dumps(np.zeros((2, 2))).replace(b"K\x02K\x02\x86", b"K\x03K\x02\x86"),
        pickle.dumps(np.float64(1.0))[:-10] + b".",
        b"\x80\x02N}b.",
        pickle.dumps(np.zeros(300, np.uint8)),
        pickle.dumps([np.zeros(90, np.uint8)] * 3),
    ],
)
def test_broken_bytes_are_a_reason_and_no_crash(blob):
    with pytest.raises(BrokenPickle):
        load_plain(blob)


def test_a_list_within_itself_is_refused():
    endless = []
    endless.append(endless)
    with pytest.raises(BrokenPickle, match="more parts"):
        load_plain(pickle.dumps(endless))


# Tuples, each of which holds the one before twice. Were there 60, whatever hashes or prints them would run for ever.
LEVELS = 14
BY_DUP = b")" + b"2\x86" * LEVELS
BY_MEMO = b")" + b"".join(b"q" + bytes([i]) + b"h" + bytes([i]) + b"\x86" for i in range(LEVELS))


@pytest.mark.parametrize(
    ("blob", "words"),
    [
        (b"\x80\x02}" + BY_DUP + b"Ns.", "repeats a part"),
        (b"\x80\x02" + BY_DUP + b".", "repeats a part"),
        (b"\x80\x02}" + BY_MEMO + b"Ns.", "a dict or a set"),
        (b"\x80\x02}(" + BY_MEMO + b"Nu.", "a dict or a set"),
        (b"\x80\x02(" + BY_MEMO + b"Nd.", "a dict or a set"),
        (b"\x80\x04\x8f(" + BY_MEMO + b"\x90.", "a dict or a set"),
        (b"\x80\x04(" + BY_MEMO + b"\x91.", "a dict or a set"),
        (b"\x80\x02cnumpy\ndtype\n" + BY_MEMO + b"\x85R.", "an array of tuple, not of numbers"),
        (b"\x80\x02cnumpy\ndtype\nX\x02\0\0\0f8\x85R(K\x03" + BY_MEMO + b"NNNtb.", "unknown byte order"),
        (b"\x80\x02" + BY_MEMO + b".", "more parts"),
    ],
)
def test_parts_that_stand_in_many_places_are_neither_hashed_nor_printed(blob, words):
    with pytest.raises((UnsafePickle, BrokenPickle), match=words):
        load_numbers(blob, (3, 3))


@pytest.mark.parametrize(
    "state",
    [
        (1, (3,), None, False, b"x" * 24),
        (1, (-1,), np.dtype("f8"), False, b"x" * 24),
        (1, (2**62,), np.dtype("u1"), False, b"x"),
        (1, 3, np.dtype("f8"), False, b"x" * 24),
        (1, (3,), np.dtype("f8"), False, [1.0, 2.0, 3.0]),
        (1, (4,), np.dtype("f8"), False, b"x" * 24),
        (1,),
        (),
        None,
        1,
        {},
    ],
)
def test_an_arrays_state_may_be_anything_and_is_checked(state):
    blob = pickle.dumps(Calls(np._core.multiarray._reconstruct, np.ndarray, (0,), b"b", state=state))
    try:
        found = load_plain(blob)
    except BrokenPickle:
        return
    assert found is None  # no state at all: no array was ever made


@given(st.binary(max_size=60))
def test_any_bytes_end_in_a_value_or_one_of_the_two_refusals(blob):
    for start in (b"", b"\x80\x04", HONEST[:40]):
        with suppress(UnsafePickle, BrokenPickle):
            load_plain(start + blob)


@given(st.integers(0, len(HONEST) - 1), st.integers(0, 255))
def test_a_flipped_byte_ends_in_a_value_or_one_of_the_two_refusals(place, byte):
    blob = bytearray(HONEST)
    blob[place] = byte
    with suppress(UnsafePickle, BrokenPickle):
        load_plain(bytes(blob))


@pytest.mark.parametrize(
    "value",
    [
        MATRIX[:2],
        [[1.0, 2.0], [3.0]],
        [[float("nan")] * 3] * 3,
        [[float("inf")] * 3] * 3,
        [["1", "2", "3"]] * 3,
        [[True, False, True]] * 3,
        [[10**25] * 3] * 3,
        [[10**5000] * 3] * 3,
        None,
        "text",
        3.0,
    ],
)
def test_only_finite_numbers_of_the_shape_are_numbers(value):
    with pytest.raises(BrokenPickle):
        load_numbers(pickle.dumps(value), (3, 3))


def test_lengths_may_be_left_open():
    assert load_numbers(pickle.dumps([]), (-1,)).shape == (0,)
    assert load_numbers(pickle.dumps([1, 2]), (-1,)).tolist() == [1.0, 2.0]
