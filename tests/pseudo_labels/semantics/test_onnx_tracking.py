"""Detectors in ONNX files, and what follows their boxes: squares of known paths come out where they were drawn.

The detectors are true ONNX files whose one convolution finds red (class 0) or blue (class 1) cells of 8 or 16 pixels.
"""

import subprocess
import sys
import warnings

import numpy as np
import pytest
from pseudo_labels.semantics.tiny_onnx import model

from st_vlm.errors import InputError
from st_vlm.pseudo_labels.clip import Clip
from st_vlm.pseudo_labels.frames import ClipFrames
from st_vlm.pseudo_labels.segments import Segments
from st_vlm.pseudo_labels.semantics import fastestdet, yolo
from st_vlm.pseudo_labels.semantics.detections import Detections, strongest
from st_vlm.pseudo_labels.semantics.observations import without_doubles
from st_vlm.pseudo_labels.semantics.onnx_detector import OnnxDetector
from st_vlm.pseudo_labels.semantics.onnx_tracking import OnnxTracking
from st_vlm.pseudo_labels.semantics.tracking import follow
from st_vlm.video.encoding import write_video

pytest.importorskip("onnxruntime")
pytest.importorskip("supervision")

SIDE = 64  # of the detectors' input
RED, BLUE = (230, 0, 0), (0, 0, 230)


def colours(bgr):
    """(2, 3) how a cell's mean colour becomes the scores of red and blue: 1 for a cell that is full of it."""
    weights = np.array([[1.0, -1, -1], [-1, -1, 1]]) / 0.9
    return weights[:, ::-1] if bgr else weights


def scores_of_cells(weights, cell, tensors):
    """Nodes from the image to `scores`, (1, 2, rows, columns), 0 to 1: (2, 3) weights of a cell's mean colour."""
    kernel = np.broadcast_to(weights[:, :, None, None] / cell**2, (2, 3, cell, cell)).astype(np.float32)
    tensors |= {"kernel": kernel, "low": np.float32(0), "high": np.float32(1)}
    convolution = ("Conv", ["image", "kernel"], ["raw"], {"strides": [cell, cell], "kernel_shape": [cell, cell]})
    return [convolution, ("Clip", ["raw", "low", "high"], ["scores"], {})]


def fastestdet_file(path, **changes):
    """Objectness 1 and a box of half the image around each cell's corner; two classes."""
    tensors = {"one": np.zeros((1, 5, 4, 4), np.float32)}
    tensors["one"][:, 0] = 1
    nodes = scores_of_cells(colours(bgr=True), 16, tensors)
    nodes.append(("Concat", ["one", "scores"], ["found"], {"axis": 1}))
    shapes = {"inputs": {"image": (1, 3, SIDE, SIDE)}, "outputs": {"found": (1, 7, 4, 4)}, **changes}
    path.write_bytes(model(nodes, tensors, **shapes))
    return path


def yolo_file(path, version, names=("person", "car"), open_size=False):
    """Boxes of 32 pixels around the middles of the cells of 8, and none at those of 16 and 32; two classes."""
    row, column = np.mgrid[:8, :8] * 8 + 4
    box = np.stack([column.ravel(), row.ravel(), np.full(64, 32), np.full(64, 32)]).astype(np.float32)
    head = box[None] if version == 8 else np.concatenate([box, np.ones((1, 64), np.float32)])[None]
    tensors = {
        "head": head,
        "flat": np.array([1, 2, 64]),
        "rest": np.zeros((1, len(head[0]) + 2, 16 + 4), np.float32),
    }
    nodes = scores_of_cells(colours(bgr=False), 8, tensors)
    nodes += [
        ("Reshape", ["scores", "flat"], ["classes"], {}),
        ("Concat", ["head", "classes"], ["finest"], {"axis": 1}),
        ("Concat", ["finest", "rest"], ["columns"], {"axis": 2}),
    ]
    count, last = 84, "columns"
    if version == 5:
        # Three boxes a cell, all alike, as rows.
        nodes.append(("Concat", ["columns"] * 3, ["threefold"], {"axis": 2}))
        nodes.append(("Transpose", ["threefold"], ["rows"], {"perm": [0, 2, 1]}))
        count, last = 252, "rows"
    shape = (1, count, 7) if version == 5 else (1, 6, count)
    metadata = [("names", repr(dict(enumerate(names))))] if names else []
    sides = ("height", "width") if open_size else (SIDE, SIDE)
    path.write_bytes(model(nodes, tensors, {"image": (1, 3, *sides)}, {last: shape}, metadata))
    return path


def picture(size, *squares):
    """Grey, with squares of (x, y, side, colour)."""
    image = np.full((size[1], size[0], 3), 110, np.uint8)
    for x, y, side, colour in squares:
        image[y : y + side, x : x + side] = colour
    return image


def names_file(folder, *names):
    path = folder / "names.txt"
    path.write_text("\n".join(names) + "\n")
    return path


@pytest.mark.parametrize("version", [5, 8])
def test_a_yolo_sees_the_image_letterboxed(tmp_path, version):
    detector = OnnxDetector(yolo_file(tmp_path / "d.onnx", version))
    assert detector.family == f"YOLOv{version}"
    assert detector.names == ("person", "car")
    # 256 x 128 becomes 64 x 32 with 16 rows of grey above and below. The square at (128, 0) is the cell at (32, 16):
    # its box reaches from (20, 4) to (52, 36), which is above the image.
    found = detector.detect(picture((256, 128), (128, 0, 32, BLUE), (64, 64, 32, RED)), 0.5)
    order = np.argsort(found.boxes[:, 0])
    assert found.categories[order].tolist() == ["person", "car"]
    np.testing.assert_allclose(found.boxes[order], [[16, 16, 144, 128], [80, 0, 208, 80]], atol=1e-6)
    assert (found.scores > 0.9).all()


def test_fastestdet_sees_the_image_stretched(tmp_path):
    path = fastestdet_file(tmp_path / "d.onnx")
    detector = OnnxDetector(path, names_file(tmp_path, "person", "motorbike"))
    assert detector.family == "FastestDet"
    # The box of cell (2, 1): its centre at the cell's corner, half the image wide and high.
    found = detector.detect(picture((256, 128), (128, 32, 64, BLUE)), 0.5)
    assert found.categories[:1] == ["motorcycle"]
    np.testing.assert_allclose(found.boxes[0], [64, 0, 192, 64], atol=1e-6)


def test_fastestdet_s_numbers():
    """By hand from the published decoding, for one cell of a grid of 4 x 2."""
    output = np.zeros((1, 7, 2, 4), np.float32)
    output[0, :, 1, 2] = [0.8, 0.5, -0.25, 0.0, -1.0, 0.1, 0.9]
    boxes, scores, classes = fastestdet.decoded(output)
    cell = 1 * 4 + 2
    centre = (2 + np.tanh(0.5)) / 4, (1 - np.tanh(0.25)) / 2
    width, height = 0.5, 1 / (1 + np.e)
    expected = [centre[0] - width / 2, centre[1] - height / 2, centre[0] + width / 2, centre[1] + height / 2]
    np.testing.assert_allclose(boxes[cell], expected, rtol=1e-6)
    assert scores[cell] == pytest.approx(0.8**0.6 * 0.9**0.4)
    assert classes[cell] == 1


def test_a_tall_image_comes_back_from_its_letterbox():
    _, letterbox = yolo.prepared(np.zeros((400, 100, 3), np.uint8), (64, 64))
    np.testing.assert_allclose(yolo.placed_back(np.array([[24.0, 0, 40, 64]]), letterbox), [[0, 0, 100, 400]])


def test_a_model_of_open_size(tmp_path):
    # It takes 640 x 640, for which this one has too few boxes.
    with pytest.raises(InputError, match=r"640.*(1, 3, 640, 640)|does not run"):
        OnnxDetector(yolo_file(tmp_path / "d.onnx", 8, open_size=True))


@pytest.mark.parametrize(
    ("shape", "output"),
    [
        ((1, 3, SIDE, SIDE), (1, 84, 7)),  # one box a cell in rows with objectness: YOLOX, its boxes not decoded
        ((1, 3, SIDE, SIDE), (1, 300, 6)),  # boxes suppressed in the model
        ((1, 3, SIDE, SIDE), (1, 7, 8, 8)),
        ((1, 3, SIDE, SIDE), (1, 1000)),
        ((1, 4, SIDE, SIDE), (1, 84, 84)),
        ((4, 3, SIDE, SIDE), (1, 84, 84)),
    ],
)
def test_another_model_is_refused_with_its_shapes(tmp_path, shape, output):
    path = tmp_path / "d.onnx"
    tensors = {"constant": np.zeros(output, np.float32)}
    path.write_bytes(model([("Identity", ["constant"], ["found"], {})], tensors, {"image": shape}, {"found": output}))
    with pytest.raises(InputError, match=str(list(output))[1:-1] if shape == (1, 3, SIDE, SIDE) else "takes"):
        OnnxDetector(path)


def test_scores_that_are_none_are_refused(tmp_path):
    path = tmp_path / "d.onnx"
    tensors = {"constant": np.full((1, 84, 84), 5, np.float32)}
    nodes = [("Identity", ["constant"], ["found"], {})]
    path.write_bytes(model(nodes, tensors, {"image": (1, 3, SIDE, SIDE)}, {"found": (1, 84, 84)}))
    with pytest.raises(InputError, match="0 to 1"):
        OnnxDetector(path)


def test_what_is_no_model_is_refused(tmp_path):
    with pytest.raises(InputError, match="no detector at"):
        OnnxDetector(tmp_path / "absent.onnx")
    (tmp_path / "d.onnx").write_bytes(b"no model")
    with pytest.raises(InputError, match=r"d\.onnx cannot be read"):
        OnnxDetector(tmp_path / "d.onnx")
    path = yolo_file(tmp_path / "d.onnx", 8, names=())
    with pytest.raises(InputError, match="tells 2 classes apart, but COCO names 80"):
        OnnxDetector(path)
    with pytest.raises(InputError, match="names 3"):
        OnnxDetector(path, names_file(tmp_path, "a", "b", "c"))


def test_of_boxes_on_each_other_one_stays_unless_their_classes_differ():
    boxes = np.array([[0.0, 0, 10, 10], [1, 0, 11, 10], [0, 0, 10, 10], [30, 0, 40, 10]])
    names = np.array(["car", "truck", "person", "car"], dtype=object)
    found = Detections(boxes, np.array([0.6, 0.8, 0.5, 0.4]), names)
    assert strongest(found).tolist() == [1, 2, 3]


def test_a_part_of_a_car_goes_and_a_car_before_a_bus_stays():
    boxes = np.array([[0.0, 0, 100, 60], [5, 30, 40, 58], [200, 0, 320, 80], [240, 50, 300, 90]])
    names = np.array(["car", "car", "bus", "car"], dtype=object)
    found = Detections(boxes, np.array([0.8, 0.5, 0.9, 0.4]), names)
    assert strongest(found).tolist() == [2, 0, 3]
    assert sorted(strongest(found, most_covered=1.0).tolist()) == [0, 1, 2, 3]


LENGTH, RATE = 41, 20.0
CLIP_FRAMES = tuple(range(0, LENGTH, 10))


def moving_squares(hidden=()):
    """A red square that goes right and a blue one that goes left, 32 px each, by 64 px in two seconds."""
    for frame in range(LENGTH):
        way = round(frame * 64 / 40)
        yield picture((256, 256), *([] if frame in hidden else [(32 + way, 64, 32, RED), (192 - way, 160, 32, BLUE)]))


def clip_of(folder, images, frames=CLIP_FRAMES, rate=RATE):
    images = list(images)
    write_video(folder / "a.mp4", images, np.arange(len(images)) / rate, crf=1)
    times = tuple(round(frame / rate * 1e9) for frame in frames)
    size = images[0].shape[1], images[0].shape[0]
    return ClipFrames(Clip("a", "a.mp4", tuple(frames), times, size, 0, len(images) - 1), folder)


def test_squares_become_tracks(tmp_path):
    frames = clip_of(tmp_path, moving_squares())
    backend = OnnxTracking(yolo_file(tmp_path / "d.onnx", 8))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        segments = backend.segment(frames)
    assert sorted(segments.categories) == ["car", "person"]
    assert (segments.backend, segments.licence, segments.size) == ("onnx", "unknown", (256, 256))
    assert segments.seen.all()
    middles = (segments.boxes[..., :2] + segments.boxes[..., 2:]) / 2
    way = np.arange(5) * 16
    for category, x, y in (("person", 48 + way, 80), ("car", 208 - way, 176)):
        found = middles[segments.categories.index(category)]
        # The detector's cells are 32 px: its best box is that of the nearest.
        assert (np.abs(found[:, 0] - x) <= 16 + 1e-6).all()
        np.testing.assert_allclose(found[:, 1], y, atol=1e-6)


def test_a_frame_in_which_an_object_is_missed_is_bridged(tmp_path):
    frames = clip_of(tmp_path, moving_squares(hidden=(20,)))
    segments = OnnxTracking(yolo_file(tmp_path / "d.onnx", 8)).segment(frames)
    assert len(segments) == 2
    assert segments.seen.all()


def test_what_is_seen_in_two_frames_is_left_out(tmp_path):
    frames = clip_of(tmp_path, moving_squares(hidden=range(15, LENGTH)))
    segments = OnnxTracking(yolo_file(tmp_path / "d.onnx", 8)).segment(frames)
    assert segments.boxes.shape == (0, len(CLIP_FRAMES), 4)


def test_a_video_that_shows_nothing(tmp_path):
    frames = clip_of(tmp_path, [picture((256, 256))] * LENGTH)
    assert len(OnnxTracking(yolo_file(tmp_path / "d.onnx", 8)).segment(frames)) == 0


def test_classes(tmp_path):
    frames = clip_of(tmp_path, moving_squares())
    standing = yolo_file(tmp_path / "d.onnx", 8, names=("bench", "car"))
    assert OnnxTracking(standing).segment(frames).categories == ("car",)
    assert OnnxTracking(standing, classes=["bench"]).segment(frames).categories == ("bench",)
    assert OnnxTracking(standing, classes="bench, car").segment(frames).categories == ("bench", "car")
    with pytest.raises(InputError, match=r"does not know dragon\. It knows bench, car"):
        OnnxTracking(standing, classes=["dragon"]).segment(frames)


def test_whose_weights_they_are(tmp_path):
    path = yolo_file(tmp_path / "d.onnx", 8)
    assert OnnxTracking(path, licence="AGPL-3.0").licence == "AGPL-3.0"
    # Of two classes it is nobody's published FastestDet.
    own = OnnxTracking(fastestdet_file(tmp_path / "f.onnx"), names_file(tmp_path, "person", "car"))
    assert own.licence == "unknown"


@pytest.mark.parametrize(
    "option",
    [{"threshold": 0.0}, {"threshold": 2.0}, {"threshold": "high"}, {"step_s": 0}, {"step_s": 3}, {"threads": 0}],
)
def test_options_that_are_none(tmp_path, option):
    with pytest.raises(InputError):
        OnnxTracking(tmp_path / "d.onnx", **option)


def going(frames, start, speed, category="car", score=0.8):
    """Detections of one box of 40 x 30 that goes right by `speed` pixels a frame."""
    boxes = [np.array([[start + speed * f, 50.0, start + speed * f + 40, 80]]) for f in frames]
    return [Detections(box, np.array([score]), np.array([category], dtype=object)) for box in boxes]


def together(*series):
    return [
        Detections(
            *(np.concatenate([getattr(each, part) for each in frame]) for part in ("boxes", "scores", "categories"))
        )
        for frame in zip(*series, strict=True)
    ]


def test_two_objects_that_pass_each_other_keep_their_numbers():
    found = together(going(range(20), 0, 8), going(range(20), 152, -8, "person"))
    numbers = np.array(follow(found, 0.1, 0.45))
    assert (numbers == numbers[0]).all()
    assert numbers[0, 0] != numbers[0, 1]


def test_what_speeds_up_beyond_its_own_width_a_step_is_one_object_from_its_first_box():
    # From the last box to the next there is no overlap: only what was believed of its speed tells.
    found = going(range(4), 0, 20) + going(range(6), 106, 46)
    assert set(np.concatenate(follow(found, 0.5, 0.45)).tolist()) == {0}


def test_weak_boxes_prolong_a_track_and_begin_none():
    weak = going(range(10), 0, 2, score=0.3)
    strong = going(range(10), 0, 2)
    assert set(np.concatenate(follow(strong[:5] + weak[5:], 0.1, 0.45)).tolist()) == {0}
    assert set(np.concatenate(follow(weak, 0.1, 0.45)).tolist()) == {-1}
    assert set(np.concatenate(follow(going(range(5), 0, 2, score=0.46), 0.1, 0.45)).tolist()) == {0}


def test_a_class_that_changes_within_its_group_is_one_object():
    found = together(going(range(20), 0, 2))
    changed = [
        Detections(
            each.boxes, each.scores * (0.6 if k % 3 else 1), np.array(["truck" if k % 3 else "car"], dtype=object)
        )
        for k, each in enumerate(found)
    ]
    assert set(np.concatenate(follow(changed, 0.1, 0.45)).tolist()) == {0}


def test_doubles_become_one():
    boxes = np.full((3, 5, 4), np.nan)
    boxes[0, :4] = [[10.0 + k, 10, 30 + k, 30] for k in range(4)]
    boxes[1, 1:] = [[11.0 + k, 10, 31 + k, 30] for k in range(1, 5)]  # on the first, and seen when it is not
    boxes[2] = [[10.0 + 6 * k, 10, 30 + 6 * k, 30] for k in range(5)]  # passes it
    scores = np.where(np.isfinite(boxes[..., 0]), 0.5, np.nan)
    segments = Segments(("car",) * 3, boxes, scores, (80, 60), (80, 60))
    kept = without_doubles(segments)
    assert len(kept) == 2
    one = kept.boxes[np.flatnonzero(kept.boxes[:, 1, 0] == 11)[0]]
    np.testing.assert_allclose(one, [*boxes[0, :4], boxes[1, 4]])
    other_class = Segments(("car", "person", "car"), boxes, scores, (80, 60), (80, 60))
    assert len(without_doubles(other_class)) == 3


def test_libraries_are_imported_when_they_are_needed_and_do_not_complain():
    code = """
import sys, numpy as np
import st_vlm.pseudo_labels.semantics.onnx_tracking, st_vlm.pseudo_labels.semantics.given
print([name for name in ("torch", "onnxruntime", "supervision", "pycocotools") if name in sys.modules])
from st_vlm.pseudo_labels.semantics.detections import Detections
from st_vlm.pseudo_labels.semantics.tracking import follow
follow([Detections(np.array([[0.0, 0, 9, 9]]), np.ones(1), np.array(["car"], dtype=object))], 0.1, 0.45)
"""
    done = subprocess.run([sys.executable, "-W", "default", "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
    assert "ByteTrack" not in done.stderr


def test_a_missing_extra_is_named(tmp_path, monkeypatch):
    path = yolo_file(tmp_path / "d.onnx", 8)
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(InputError, match=r'pip install "st-vlm\[pseudo\]"'):
        follow(going(range(3), 0, 1), 0.1, 0.45)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(InputError, match=r'pip install "st-vlm\[pseudo\]"'):
        OnnxDetector(path)
