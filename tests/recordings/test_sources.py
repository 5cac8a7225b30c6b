"""What may be named as a source, and which options it takes: everything else is refused with a sentence."""

import sys
import types

import pytest
from native_layouts.ego_exo4d import TAKE, ego_exo4d_tables, write_ego_exo4d
from native_layouts.nuscenes import nuscenes_tables, write_nuscenes

from st_vlm.errors import InputError
from st_vlm.recordings import SOURCE_NAMES, open_recordings, source_class


@pytest.fixture
def reader(monkeypatch):
    """Puts a class with a reader's methods and the given __init__ where `own_readers:Reader` finds it."""

    def put(**members):
        methods = dict.fromkeys(("recording_ids", "split", "cameras", "read"), lambda self, *_: ())
        module = types.ModuleType("own_readers")
        module.Reader = type("Reader", (), methods | members)
        monkeypatch.setitem(sys.modules, "own_readers", module)
        return module.Reader

    return put


@pytest.mark.parametrize("name", SOURCE_NAMES)
def test_our_own_are_sources(name):
    assert source_class(name).name == name


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("json:loads", "json:loads is not a source: it is no class"),
        ("os.path:join", "os.path:join is not a source: it is no class"),
        ("os.path:sep", "os.path:sep is not a source: it is no class"),
        ("pathlib:Path", "pathlib:Path is not a source: it has no method recording_ids, split, cameras, read"),
        ("st_vlm.errors:InputError", "is not a source: it has no method recording_ids"),
    ],
)
def test_what_is_no_reader_is_refused(st_vlm, tmp_path, name, sentence):
    code, out, err = st_vlm("measure", name, tmp_path)
    assert (code, out) == (2, "")
    assert sentence in err
    assert "Traceback" not in err


def test_a_reader_without_one_of_the_methods_is_refused(reader, tmp_path):
    reader(cameras=None)
    with pytest.raises(InputError, match=r"own_readers:Reader is not a source: it has no method cameras\."):
        open_recordings("own_readers:Reader", tmp_path)


@pytest.mark.parametrize(
    ("source", "options"),
    [
        ("argoverse2", "none"),
        ("ego_exo4d", "sports"),
        ("kitti", "poses"),
        ("nuplan", "sensor_blobs"),
        ("nuscenes", "version, sweeps"),
        (
            "simulated",
            "seed, num_recordings, image_size, turning, reversing, stopping, speed_changes, odd_speeds, company, "
            "toys, rig",
        ),
    ],
)
def test_an_unknown_option_is_named_with_those_there_are(st_vlm, tmp_path, source, options):
    path = [] if source == "simulated" else [tmp_path]
    code, out, err = st_vlm("measure", source, *path, "--option", "swoops=true")
    assert (code, out) == (2, "")
    assert f"The source {source} has no option 'swoops'. Its options: {options}.\n" in err


def test_options_of_a_third_party_reader(reader, tmp_path):
    made = reader(__init__=lambda self, path, *, rate=1, **rest: self.__dict__.update(rate=rate, rest=rest))
    source = open_recordings("own_readers:Reader", tmp_path, rate=3, anything="goes")
    assert isinstance(source, made)
    assert (source.rate, source.rest) == (3, {"anything": "goes"})
    reader(__init__=lambda self: None)
    with pytest.raises(InputError, match="cannot be opened with these options: too many positional"):
        open_recordings("own_readers:Reader", tmp_path)
    reader(__init__=lambda self, path, *, rate: None)
    with pytest.raises(InputError, match=r"cannot be opened .*: missing a required .*argument: 'rate'"):
        open_recordings("own_readers:Reader", tmp_path)


def test_a_fault_in_a_readers_own_code_keeps_its_traceback(reader, tmp_path):
    reader(__init__=lambda self, path: len(3))
    with pytest.raises(TypeError, match="has no len"):
        open_recordings("own_readers:Reader", tmp_path)


@pytest.mark.parametrize("given", ["maybe", "1", "[true]", "null", "''"])
def test_sweeps_are_true_or_false(st_vlm, tmp_path, given):
    root = write_nuscenes(tmp_path, nuscenes_tables(sweeps=2), images=False)
    code, out, err = st_vlm("measure", "nuscenes", root, "--option", f"sweeps={given}")
    assert (code, out) == (2, "")
    assert "The option sweeps of nuScenes must be true or false, not " in err
    assert st_vlm("measure", "nuscenes", root, "--option", "sweeps=true")[0] == 0


@pytest.mark.parametrize(
    ("source", "options"),
    [
        ("ego_exo4d", {"sports": 5}),
        ("ego_exo4d", {"sports": ["Soccer", 5]}),
        ("ego_exo4d", {"sports": {"Soccer": 1}}),
        ("ego_exo4d", {"sports": []}),
        ("ego_exo4d", {"sports": ""}),
        ("ego_exo4d", {"sports": None}),
        ("kitti", {"poses": ["oxts"]}),
        ("kitti", {"poses": True}),
        ("kitti", {"poses": ""}),
        ("nuplan", {"sensor_blobs": True}),
        ("nuplan", {"sensor_blobs": ["a", "b"]}),
        ("nuplan", {"sensor_blobs": ""}),
        ("simulated", {"image_size": 256}),
        ("simulated", {"image_size": "ab"}),
        ("simulated", {"image_size": {"width": 64, "height": 64}}),
    ],
)
def test_options_of_another_kind_are_refused(tmp_path, source, options):
    (name,) = options
    with pytest.raises(InputError, match=rf"{name}.* must be .*, not "):
        open_recordings(source, None if source == "simulated" else tmp_path, **options)


def test_an_unknown_sport_is_not_passed_over(tmp_path):
    root = write_ego_exo4d(tmp_path, ego_exo4d_tables(seconds=1))
    with pytest.raises(InputError, match=r"takes\.json has no take of chess, socer; it has Soccer\."):
        open_recordings("ego_exo4d", root, sports=["Soccer", "Chess", "Socer"])
    # Basketball is known, though none of it is here.
    assert open_recordings("ego_exo4d", root, sports=["soccer", "Basketball"]).recording_ids() == (TAKE,)
    assert open_recordings("ego_exo4d", root, sports="soccer").recording_ids() == (TAKE,)
