"""The nuScenes reader against a scene written with known motion, and every way in which the files can be broken."""

import errno

import numpy as np
import pytest
from native_layouts.nuscenes import nuscenes_tables, release_token, with_release_tokens, write_nuscenes
from native_layouts.scene import CAR_SPEED, START_US
from PIL import Image

from st_vlm.errors import InputError
from st_vlm.kinematics.projection import project_points
from st_vlm.recordings import open_recordings


def opened(folder, **options):
    return open_recordings("nuscenes", folder, **options)


def row_of(tables, table, token):
    return next(row for row in tables[table] if row["token"] == token)


@pytest.fixture
def recording(tmp_path):
    return opened(write_nuscenes(tmp_path, nuscenes_tables())).read("scene-0001", "CAM_FRONT")


def test_tracks_are_the_objects(recording):
    tracks = {track.id: track for track in recording.tracks}
    assert list(tracks) == [f"scene-0001/{name}" for name in ("car", "cone", "parked", "walker")]
    car = tracks["scene-0001/car"]
    assert car.category == "vehicle.car"
    assert car.times_ns[0] == START_US * 1000
    assert len(car) == 9
    np.testing.assert_allclose(np.diff(car.centres[:, 0]), CAR_SPEED * np.diff(car.times_ns) * 1e-9, atol=1e-6)
    np.testing.assert_allclose(car.sizes[0], [4.5, 1.9, 1.6])  # length first, though the table has width first
    np.testing.assert_array_equal(car.lidar_points, range(10, 19))
    np.testing.assert_array_equal(car.visibility, 0.9)
    assert np.isnan(tracks["scene-0001/walker"].visibility).all()
    assert len(tracks["scene-0001/walker"]) == 8
    assert len(tracks["scene-0001/cone"]) == 1


def test_the_camera_has_its_own_time_and_pose(recording):
    assert recording.frames.times_ns[0] == (START_US - 35_000) * 1000
    ego_x = -5 * 0.035
    np.testing.assert_allclose(recording.camera.poses[0][:3, 3], [ego_x + 1.7, 0, 1.5])
    # An object 10 m ahead of the lens, 1 m to the left and at its height, is left of the middle by f / 10.
    uv, depth = project_points(
        np.array([ego_x + 11.7, 1, 1.5]), recording.camera.poses[0], recording.camera.intrinsics
    )
    np.testing.assert_allclose(uv, [80 - 12, 45], atol=1e-9)
    assert depth == pytest.approx(10)
    assert recording.frames.read(0).shape == (90, 160, 3)
    assert recording.frames.paths[0].startswith("samples/CAM_FRONT/")
    np.testing.assert_allclose(recording.ego_centres[0], [ego_x, 0, 0])


def test_without_a_camera_the_ego_path_is_the_lidar_s(tmp_path):
    recording = opened(write_nuscenes(tmp_path, nuscenes_tables(), images=False)).read("scene-0001")
    assert recording.camera is None
    assert recording.ego_times_ns[0] == START_US * 1000


def test_sweeps_are_passed_over(tmp_path):
    tables = nuscenes_tables()
    sweep = dict(tables["sample_data"][0], token="sweep", is_key_frame=False, ego_pose_token="sweep-pose")
    tables["sample_data"].append(sweep)
    recording = opened(write_nuscenes(tmp_path, tables)).read("scene-0001", "CAM_FRONT")
    assert len(recording.frames) == 9


def test_row_order_of_the_tables_means_nothing(tmp_path):
    tables = nuscenes_tables()
    plain = opened(write_nuscenes(tmp_path / "a", tables)).read("scene-0001", "CAM_FRONT")
    turned = {name: rows[::-1] for name, rows in tables.items()}
    other = opened(write_nuscenes(tmp_path / "b", turned)).read("scene-0001", "CAM_FRONT")
    np.testing.assert_array_equal(plain.frames.times_ns, other.frames.times_ns)
    for one, two in zip(plain.tracks, other.tracks, strict=True):
        assert one.id == two.id
        np.testing.assert_array_equal(one.centres, two.centres)


def test_cameras_are_those_with_a_file_on_disk(tmp_path):
    root = write_nuscenes(tmp_path, nuscenes_tables(), images=False)
    assert opened(root).cameras("scene-0001") == ()
    write_nuscenes(tmp_path, nuscenes_tables())
    assert opened(root).cameras("scene-0001") == ("CAM_FRONT",)
    next((root / "samples" / "CAM_FRONT").iterdir()).unlink()
    assert opened(root).cameras("scene-0001") == ("CAM_FRONT",)


def test_path_may_be_the_root_or_the_version(tmp_path, monkeypatch):
    root = write_nuscenes(tmp_path, nuscenes_tables(("scene-0103", "scene-0061")))
    monkeypatch.chdir(root / "v1.0-mini")
    for path in (root, root / "v1.0-mini", "."):
        source = opened(path)
        assert source.recording_ids() == ("scene-0061", "scene-0103")
        assert len(source.read("scene-0061", "CAM_FRONT").frames) == 9
    assert source.read("scene-0103").split == "validation"
    assert source.read("scene-0061").split == "train"


def test_of_several_versions_one_must_be_named(tmp_path):
    write_nuscenes(tmp_path, nuscenes_tables())
    write_nuscenes(tmp_path, nuscenes_tables(("scene-0001", "scene-0002")), version="v1.0-test")
    with pytest.raises(InputError, match=r"v1\.0-mini, v1\.0-test"):
        opened(tmp_path)
    assert opened(tmp_path, version="v1.0-test").read("scene-0002").split == "test"
    with pytest.raises(InputError, match=r"v1\.0-trainval"):
        opened(tmp_path, version="v1.0-trainval")


def test_a_scene_without_boxes_has_no_tracks(tmp_path):
    tables = nuscenes_tables()
    tables["sample_annotation"] = []
    assert opened(write_nuscenes(tmp_path, tables)).read("scene-0001").tracks == ()


def change(table, token, **fields):
    def spoil(tables):
        row_of(tables, table, token).update(fields)

    return spoil


def drop(table, token):
    def spoil(tables):
        tables[table].remove(row_of(tables, table, token))

    return spoil


def strip(table, token):
    def spoil(tables):
        row = row_of(tables, table, token)
        row.clear()
        row["token"] = token

    return spoil


def repeat(table, token):
    def spoil(tables):
        tables[table].append(dict(row_of(tables, table, token)))

    return spoil


def add_of_its_own(table, key, **fields):
    """Give the scene `bad` a row of its own in a table that scenes share, with these fields changed."""

    def spoil(tables):
        tables[table].append(dict(tables[table][0], token="own", **fields))
        for row in tables["sample_data"]:
            if row["token"].startswith("bad/") and row["token"].endswith("/camera"):
                row[key] = "own"

    return spoil


def swap_times(tables):
    a, b = row_of(tables, "sample", "bad/3"), row_of(tables, "sample", "bad/4")
    a["timestamp"], b["timestamp"] = b["timestamp"], a["timestamp"]


def two_boxes_in_one_sample(tables):
    box = row_of(tables, "sample_annotation", "bad/car/3")
    tables["sample_annotation"].append(dict(box, token="second", next=""))


def two_images_of_one_token(tables):
    row_of(tables, "sample_data", "bad/3/camera")["token"] = "bad/4/camera"


def stray_box(tables):
    box = row_of(tables, "sample_annotation", "bad/car/3")
    tables["sample_annotation"].append(dict(box, token="stray", sample_token="none", prev="", next=""))


# Each spoils the scene `bad` and leaves `good` alone: (what, spoil, words of the sentence).
SPOILT_ROWS = [
    ("NaN position", change("sample_annotation", "bad/car/3", translation=[1, float("nan"), 2]), "bad/car/3"),
    ("text for a position", change("sample_annotation", "bad/car/3", translation=["a", 0, 0]), "bad/car/3"),
    ("numbers as text", change("sample_annotation", "bad/car/3", translation=["1", "2", "3"]), "bad/car/3"),
    ("beyond the Earth", change("sample_annotation", "bad/car/3", translation=[1e300, 0, 0]), "centres"),
    ("flat box", change("sample_annotation", "bad/car/3", size=[1.9, 0, 1.6]), "positive"),
    ("negative size", change("sample_annotation", "bad/car/3", size=[1.9, -4.5, 1.6]), "positive"),
    ("two numbers", change("sample_annotation", "bad/car/3", translation=[1, 2]), "translation"),
    ("missing size", change("sample_annotation", "bad/car/3", size=None), "size"),
    ("zero quaternion", change("sample_annotation", "bad/car/3", rotation=[0, 0, 0, 0]), "bad/car/3"),
    ("zero ego quaternion", change("ego_pose", "bad/3/camera", rotation=[0, 0, 0, 0]), "bad/3/camera"),
    ("position beyond floats", change("sample_annotation", "bad/car/3", translation=[10**400, 0, 0]), "bad/car/3"),
    ("infinite size", change("sample_annotation", "bad/car/3", size=[1.9, float("inf"), 1.6]), "bad/car/3"),
    ("points as text", change("sample_annotation", "bad/car/3", num_lidar_pts="7"), "num_lidar_pts"),
    ("a truth value for a point count", change("sample_annotation", "bad/car/3", num_lidar_pts=True), "num_lidar_pts"),
    ("an object for a position", change("sample_annotation", "bad/car/3", translation={"x": 1}), "translation"),
    ("a number for an instance", change("sample_annotation", "bad/car/3", instance_token=7), "instance_token"),
    ("a number for a visibility", change("sample_annotation", "bad/car/3", visibility_token=4), "visibility"),
    ("half a character for a token", change("sample_annotation", "bad/car/3", instance_token="\ud800"), "instance"),
    ("link to a box of another object", change("sample_annotation", "bad/car/3", next="bad/parked/4"), "out of order"),
    ("link to a box of another scene", change("sample_annotation", "bad/car/8", next="good/car/8"), "out of order"),
    ("unknown visibility", change("sample_annotation", "bad/car/3", visibility_token="9"), "visibility"),
    ("box of no instance", change("sample_annotation", "bad/car/3", instance_token="none", next=""), "instance"),
    ("box of no sample", change("sample_annotation", "bad/car/3", sample_token="none"), "sample.json"),
    ("box of no sample that nothing links to", stray_box, "sample.json"),
    ("two images of one token", two_images_of_one_token, "several key frames"),
    ("link to no box", change("sample_annotation", "bad/car/3", next="none"), "none"),
    ("link backwards", change("sample_annotation", "bad/car/3", next="bad/car/1"), "out of order"),
    ("first box lost", drop("sample_annotation", "bad/walker/1"), "bad/walker/1"),
    ("first box without its keys", strip("sample_annotation", "bad/walker/1"), "bad/walker/1"),
    (
        "link to a later box as the one before",
        change("sample_annotation", "bad/car/3", prev="bad/car/5"),
        "not before",
    ),
    ("repeated box", repeat("sample_annotation", "bad/car/3"), "more than once"),
    ("two boxes at one time", two_boxes_in_one_sample, "sample_annotation.json: Track bad/car"),
    ("instance of no category", change("instance", "bad/car", category_token="none"), "category.json"),
    ("repeated instance", repeat("instance", "bad/car"), "instance.json"),
    ("samples out of order", swap_times, "sample.json"),
    ("two samples at one time", change("sample", "bad/1", timestamp=START_US), "twice"),
    ("time as text", change("sample", "bad/1", timestamp="12"), "timestamp"),
    ("time out of range", change("sample", "bad/1", timestamp=10**30), "timestamp"),
    ("scene without a start", change("scene", "bad", first_sample_token="none"), "sample.json"),
    ("sample chain cut", change("sample", "bad/3", next=""), "next"),
    ("sample chain in a circle", change("sample", "bad/8", next="bad/0"), "circle"),
    ("sample chain into nothing", change("sample", "bad/3", next="none"), "none"),
    ("missing pose", drop("ego_pose", "bad/3/camera"), "ego_pose.json"),
    ("repeated pose", repeat("ego_pose", "bad/3/camera"), "ego_pose.json"),
    ("pose without a place", change("ego_pose", "bad/3/camera", translation=None), "ego_pose.json"),
    (
        "missing calibration",
        change("sample_data", "bad/3/camera", calibrated_sensor_token="none"),
        "calibrated_sensor",
    ),
    (
        "no focal length",
        add_of_its_own("calibrated_sensor", "calibrated_sensor_token", camera_intrinsic=[[0.0] * 3] * 3),
        "focal length",
    ),
    (
        "mount of no sensor",
        add_of_its_own("calibrated_sensor", "calibrated_sensor_token", sensor_token="none"),
        "sensor.json",
    ),
    ("width as text", change("sample_data", "bad/3/camera", width="160"), "width"),
    ("no file name", change("sample_data", "bad/3/camera", filename=None), "filename"),
    ("image time as text", change("sample_data", "bad/3/camera", timestamp="12"), "timestamp"),
    ("two images at one time", change("sample_data", "bad/3/camera", timestamp=START_US - 35_000), "twice"),
    (
        "pose with an infinite place",
        change("ego_pose", "bad/3/camera", translation=[0, float("inf"), 0]),
        "bad/3/camera",
    ),
    ("image of no pose", change("sample_data", "bad/3/camera", ego_pose_token=None), "ego_pose_token"),
    ("missing image row", drop("sample_data", "bad/3/camera"), "no key frame of CAM_FRONT"),
    ("image row twice", repeat("sample_data", "bad/3/camera"), "several key frames"),
    ("path out of the folder", change("sample_data", "bad/3/camera", filename="../../etc/passwd"), "leads out"),
    ("absolute path", change("sample_data", "bad/3/camera", filename="/etc/passwd"), "leads out"),
    ("size changes", change("sample_data", "bad/3/camera", width=320), "change within the scene"),
]


@pytest.mark.parametrize("indent", [0, None], ids=["like the release", "compact"])
@pytest.mark.parametrize(("spoil", "words"), [row[1:] for row in SPOILT_ROWS], ids=[row[0] for row in SPOILT_ROWS])
def test_a_spoilt_row_stops_only_its_scene(tmp_path, spoil, words, indent):
    tables = nuscenes_tables(("bad", "good"))
    write_nuscenes(tmp_path, tables)  # images first: a spoilt row may no longer name its image
    spoil(tables)
    source = opened(write_nuscenes(tmp_path, tables, images=False, indent=indent))
    with pytest.raises(InputError) as refused:
        source.read("bad", "CAM_FRONT")
    assert words in str(refused.value)
    assert ".json" in str(refused.value)
    assert len(source.read("good", "CAM_FRONT").tracks) == 4


@pytest.mark.parametrize(("spoil", "words"), [row[1:] for row in SPOILT_ROWS], ids=[row[0] for row in SPOILT_ROWS])
def test_a_spoilt_row_among_tokens_like_the_release_s(tmp_path, spoil, words):
    tables = nuscenes_tables(("bad", "good"))
    write_nuscenes(tmp_path, tables)
    spoil(tables)
    source = opened(write_nuscenes(tmp_path, with_release_tokens(tables), images=False))
    with pytest.raises(InputError) as refused:
        source.read("bad", "CAM_FRONT")
    words = release_token(words) if words == "none" or words.startswith("bad/") else words
    assert words.replace("Track bad/car", f"Track {release_token('bad/car')}") in str(refused.value)
    assert len(source.read("good", "CAM_FRONT").tracks) == 4


def test_an_object_that_links_lead_out_of_the_scene_is_refused(tmp_path):
    tables = nuscenes_tables(("one", "two"))
    tables["sample_annotation"] = [box for box in tables["sample_annotation"] if "/car/" in box["token"]]
    for i in range(9):
        row_of(tables, "sample_annotation", f"two/car/{i}")["instance_token"] = "one/car"
    row_of(tables, "sample_annotation", "one/car/8")["next"] = "two/car/0"
    row_of(tables, "sample_annotation", "two/car/0")["prev"] = "one/car/8"
    for made in (tables, with_release_tokens(tables)):
        source = opened(write_nuscenes(tmp_path, made, images=False))
        for scene in ("one", "two"):
            with pytest.raises(InputError, match="out of order"):
                source.read(scene)


@pytest.mark.parametrize("name", ["prev", "next"])
def test_links_may_pass_over_boxes(tmp_path, name):
    """As in tables from which boxes were taken out: tracks go by time."""
    tables = nuscenes_tables()
    for token, other in (("scene-0001/car/5", {"prev": "scene-0001/car/3"}), ("scene-0001/car/2", {"next": ""})):
        row_of(tables, "sample_annotation", token).update({name: other.get(name, "")})
    for made in (tables, with_release_tokens(tables)):
        tracks = opened(write_nuscenes(tmp_path, made, images=False)).read("scene-0001").tracks
        assert sorted(map(len, tracks)) == [1, 8, 9, 9]


SPOILT_TABLES = [
    ("not JSON", '[{"token": "a"', "not valid JSON"),
    ("cut after a row", '[\n{\n"token": "a"\n},\n', "not valid JSON"),
    ("cut in a row", '[\n{\n"token": "a"\n},\n{\n"token"', "not valid JSON"),
    ("a comma too many", '[\n{\n"token": "a"\n},\n]', "not valid JSON"),
    ("a comma too few", '[\n{\n"token": "a"\n}\n{\n"token": "b"\n}\n]', "not valid JSON"),
    ("empty", "", "not valid JSON"),
    ("cut in the middle of a character", b"[{\xff", "not valid JSON"),
    ("an object", "{}", "not a list"),
    ("rows without tokens", "[{}]", "no token"),
    ("rows of numbers", "[1]", "no token"),
]


@pytest.mark.parametrize("table", ["sample_annotation", "ego_pose", "sample_data", "instance"])
@pytest.mark.parametrize(("text", "words"), [row[1:] for row in SPOILT_TABLES], ids=[row[0] for row in SPOILT_TABLES])
def test_a_spoilt_table_is_named(tmp_path, table, text, words):
    root = write_nuscenes(tmp_path, nuscenes_tables())
    path = root / "v1.0-mini" / f"{table}.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    source = opened(root)
    for _ in range(2):
        with pytest.raises(InputError, match=words) as refused:
            source.read("scene-0001", "CAM_FRONT")
        assert str(path) in str(refused.value)


@pytest.mark.parametrize("table", sorted(nuscenes_tables()))
def test_a_missing_table_is_named_at_once(tmp_path, table):
    root = write_nuscenes(tmp_path, nuscenes_tables(), images=False)
    (root / "v1.0-mini" / f"{table}.json").unlink()
    with pytest.raises(InputError, match=rf"{table}\.json is missing"):
        opened(root)


def test_a_folder_without_nuscenes_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"holds no v1\.0"):
        opened(tmp_path)
    with pytest.raises(InputError, match="not a folder"):
        opened(tmp_path / "none")
    tables = nuscenes_tables()
    tables["scene"] = []
    with pytest.raises(InputError, match="lists no scene"):
        opened(write_nuscenes(tmp_path, tables, images=False))


def test_unknown_scene_and_camera(tmp_path):
    source = opened(write_nuscenes(tmp_path, nuscenes_tables()))
    with pytest.raises(InputError, match="scene-9999"):
        source.read("scene-9999")
    with pytest.raises(InputError, match="CAM_ROOF"):
        source.read("scene-0001", "CAM_ROOF")


def missing(path):
    path.unlink()


def not_an_image(path):
    path.write_text("no image")


def empty(path):
    path.write_bytes(b"")


def folder_instead(path):
    path.unlink()
    path.mkdir()


def other_size(path):
    Image.new("RGB", (320, 180)).save(path)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (missing, "is missing"),
        (not_an_image, "cannot be decoded"),
        (empty, "cannot be decoded"),
        (folder_instead, "cannot be read: Is a directory. Restore it"),
        (other_size, "320x180"),
    ],
)
def test_a_bad_image_is_named_before_any_is_used(tmp_path, spoil, words):
    root = write_nuscenes(tmp_path, nuscenes_tables())
    path = sorted((root / "samples" / "CAM_FRONT").iterdir())[4]
    spoil(path)
    with pytest.raises(InputError, match=words) as refused:
        opened(root).read("scene-0001", "CAM_FRONT")
    assert str(path) in str(refused.value)


def test_a_category_without_a_name_is_one_sentence(tmp_path):
    tables = nuscenes_tables()
    for row in tables["category"]:
        del row["name"]
    with pytest.raises(InputError, match="no usable 'name'") as refused:
        opened(write_nuscenes(tmp_path, tables)).read("scene-0001")
    assert str(refused.value).count(".json") == 1


def test_a_closed_folder_of_images_is_named(tmp_path, monkeypatch):
    source = opened(write_nuscenes(tmp_path, nuscenes_tables()))
    source.read("scene-0001")
    monkeypatch.setattr("pathlib.Path.is_file", denied)
    with pytest.raises(InputError, match=r"CAM_FRONT.*cannot be read: Permission denied"):
        source.cameras("scene-0001")


def denied(path):
    raise PermissionError(errno.EACCES, "Permission denied", str(path))


def test_an_image_cut_short_is_named_when_read(tmp_path):
    root = write_nuscenes(tmp_path, nuscenes_tables())
    path = sorted((root / "samples" / "CAM_FRONT").iterdir())[4]
    noise = np.random.default_rng(0).integers(0, 255, (90, 160, 3), np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:3000])
    recording = opened(root).read("scene-0001", "CAM_FRONT")
    with pytest.raises(InputError, match="cannot be decoded") as refused:
        recording.frames.read(4)
    assert str(path) in str(refused.value)
