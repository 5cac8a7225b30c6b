"""Boxes from files: what they say of a video's frames comes out in the clip's, and what cannot be right is refused."""

import json
import logging

import numpy as np
import pytest

from st_vlm.errors import InputError
from st_vlm.pseudo_labels.clip import Clip
from st_vlm.pseudo_labels.frames import ClipFrames
from st_vlm.pseudo_labels.segments import Segments, encode_mask, write_segments
from st_vlm.pseudo_labels.semantics.given import GivenSegments
from st_vlm.video.encoding import write_video

SIZE = (64, 48)
LENGTH = 31  # frames, ten a second
CLIP_FRAMES = tuple(range(0, LENGTH, 5))


@pytest.fixture
def videos(tmp_path):
    folder = tmp_path / "videos" / "a"
    folder.mkdir(parents=True)
    grey = np.full((SIZE[1], SIZE[0], 3), 90, np.uint8)
    for name in ("b.mp4", "other.mp4"):
        write_video(folder / name, [grey] * LENGTH, np.arange(LENGTH) / 10)
    return tmp_path / "videos"


@pytest.fixture
def clip(videos):
    return ClipFrames(a_clip(), videos)


def a_clip(**changes) -> Clip:
    times = tuple(int(frame * 1e8) for frame in CLIP_FRAMES)
    values = {"id": "b-000", "video": "a/b.mp4", "frames": CLIP_FRAMES, "times_ns": times, "size": SIZE}
    return Clip(**{**values, "first": 0, "last": LENGTH - 1, **changes})


def written(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def truth(frame, start=4.0, speed=0.5):
    """A box 10 wide and 8 high that moves to the right by `speed` a frame: x1, y1, x2, y2."""
    x = start + speed * frame
    return [x, 20.0, x + 10, 28.0]


def sides(box):
    return [box[0], box[1], box[2] - box[0], box[3] - box[1]]


def coco(frames=range(LENGTH), **more):
    """A car and a person through a video, in COCO's layout for videos."""
    images = [{"id": 100 + f, "video_id": 7, "frame_id": f, "width": SIZE[0], "height": SIZE[1]} for f in frames]
    rows = [
        {"id": 2 * f + k, "image_id": 100 + f, "category_id": 3 + k, "track_id": k, "bbox": sides(box)}
        for f in frames
        for k, box in enumerate((truth(f), truth(f, 30.0, -0.5)))
    ]
    names = [{"id": 3, "name": "vehicle.car"}, {"id": 4, "name": "person"}]
    return {"videos": [{"id": 7, "name": "a/b"}], "images": images, "annotations": rows, "categories": names, **more}


def assert_car_and_person(segments):
    assert sorted(segments.categories) == ["car", "person"]
    car, person = segments.categories.index("car"), segments.categories.index("person")
    np.testing.assert_allclose(segments.boxes[car], [truth(f) for f in CLIP_FRAMES], atol=1e-9)
    np.testing.assert_allclose(segments.boxes[person], [truth(f, 30.0, -0.5) for f in CLIP_FRAMES], atol=1e-9)
    assert segments.size == SIZE


def test_a_video_of_coco(clip, tmp_path):
    segments = GivenSegments(written(tmp_path / "all.json", coco())).segment(clip)
    assert_car_and_person(segments)
    assert (segments.backend, segments.licence) == ("given", "")


def test_images_of_coco_are_numbered_by_their_names(clip, tmp_path):
    value = coco(videos=[])
    for image in value["images"]:
        image["file_name"] = f"a/b/img1/{image.pop('frame_id') + 1:06d}.jpg"
        del image["video_id"]
    assert_car_and_person(GivenSegments(written(tmp_path / "all.json", value)).segment(clip))


def test_numbers_that_reach_the_frames_count_count_from_one(clip, tmp_path):
    value = coco(frames=range(10, LENGTH))
    for image in value["images"]:
        image["frame_id"] += 1
    segments = GivenSegments(written(tmp_path / "all.json", value)).segment(clip)
    np.testing.assert_allclose(segments.boxes[0, 2:], [truth(f) for f in CLIP_FRAMES[2:]], atol=1e-9)
    assert not segments.seen[:, :2].any()


def test_youtube_vis(clip, tmp_path):
    frames = range(0, LENGTH, 5)
    value = {
        "videos": [{"id": 1, "width": 128, "height": 96, "file_names": [f"b/{f:05d}.jpg" for f in frames]}],
        "categories": [{"id": 1, "name": "motorbike"}],
        "annotations": [
            {
                "id": 5,
                "video_id": 1,
                "category_id": 1,
                # Twice the video's size, and not there in the second of the frames.
                "bboxes": [None if f == 5 else [2 * side for side in sides(truth(f))] for f in frames],
                "segmentations": [None] * len(frames),
            }
        ],
    }
    segments = GivenSegments(written(tmp_path / "all.json", value)).segment(clip)
    assert segments.categories == ("motorcycle",)
    expected = np.array([truth(f) for f in CLIP_FRAMES])
    # Its neighbours are a second apart: too far to say where it was between them.
    expected[1] = np.nan
    np.testing.assert_allclose(segments.boxes[0], expected, atol=1e-9)


def test_between_boxes_half_a_second_apart_an_object_moves_evenly(clip, tmp_path):
    frames = (3, 8, 13, 19, 24)  # 0.5 s, 0.5 s, 0.6 s, 0.5 s
    segments = GivenSegments(written(tmp_path / "all.json", coco(frames))).segment(clip)
    seen = dict(zip(CLIP_FRAMES, segments.seen[0], strict=True))
    assert [frame for frame, there in seen.items() if there] == [5, 10, 20]
    np.testing.assert_allclose(segments.boxes[0, 1], truth(5), atol=1e-9)


def test_a_box_between_two_is_as_certain_as_the_less_certain(clip, tmp_path):
    value = coco(frames=(3, 8))
    for row in value["annotations"]:
        row["score"] = 0.9 if row["image_id"] == 103 else 0.4
    assert GivenSegments(written(tmp_path / "all.json", value)).segment(clip).scores[0, 1] == pytest.approx(0.4)


def test_nothing_is_taken_from_beyond_a_cut(videos, tmp_path):
    path = written(tmp_path / "all.json", coco(frames=(2, 7, 13, 17)))
    cut = a_clip(frames=(0, 5, 10, 15), times_ns=(0, 5 * 10**8, 10**9, 15 * 10**8), last=15)
    assert GivenSegments(path).segment(ClipFrames(cut, videos)).seen[0].tolist() == [False, True, False, False]
    whole = a_clip(frames=(0, 5, 10, 15), times_ns=(0, 5 * 10**8, 10**9, 15 * 10**8), last=20)
    assert GivenSegments(path).segment(ClipFrames(whole, videos)).seen[0].tolist() == [False, True, False, True]


def mot(rows):
    return "".join(",".join(map(str, row)) + "\n" for row in rows)


def mot_row(frame, key, box, *rest):
    """Frames and pixels count from one."""
    x, y, width, height = sides(box)
    return (frame + 1, key, x + 1, y + 1, width, height, *rest)


@pytest.mark.parametrize("place", ["a/b.txt", "a/b/gt/gt.txt"])
def test_truth_of_a_mot_challenge(clip, tmp_path, place):
    rows = [mot_row(f, 1, truth(f), 1, 3, 0.8) for f in range(LENGTH)]
    rows += [mot_row(f, 2, truth(f, 30.0, -0.5), 1, 7, 1.0) for f in range(LENGTH)]
    rows += [mot_row(f, 3, truth(f, 10.0), 0, 3, 1.0) for f in range(LENGTH)]  # to be ignored
    rows += [mot_row(f, 4, truth(f, 12.0), 1, 12, 1.0) for f in range(LENGTH)]  # a reflection
    written(tmp_path / "boxes" / place, mot(rows))
    assert_car_and_person(GivenSegments(tmp_path / "boxes").segment(clip))


def test_the_sequence_states_the_size_of_its_images(clip, tmp_path):
    rows = [mot_row(f, 1, [2 * side for side in truth(f)], 1, 3, 1) for f in range(LENGTH)]
    written(tmp_path / "a/b/gt/gt.txt", mot(rows))
    written(tmp_path / "a/b/seqinfo.ini", "[Sequence]\nname=b\nimWidth=128\nimHeight=96\n")
    segments = GivenSegments(tmp_path).segment(clip)
    np.testing.assert_allclose(segments.boxes[0], [truth(f) for f in CLIP_FRAMES], atol=1e-9)


def test_detections_without_objects_are_followed(clip, tmp_path):
    rows = [mot_row(f, -1, truth(f), 0.9, -1, -1, -1) for f in range(LENGTH)]
    rows += [mot_row(f, -1, truth(f, 50.0, -0.2), 0.8, -1, -1, -1) for f in range(LENGTH)]
    rows += [mot_row(f, -1, [20, 40, 26, 46], 0.3, -1, -1, -1) for f in range(LENGTH)]  # too weak to begin
    written(tmp_path / "boxes/a/b/det/det.txt", mot(rows))
    segments = GivenSegments(tmp_path / "boxes", category="car").segment(clip)
    assert segments.categories == ("car", "car")
    starts = sorted(segments.boxes[:, 0, 0].tolist())
    np.testing.assert_allclose(starts, [4, 50], atol=1e-9)
    first = int(segments.boxes[:, 0, 0].argmin())
    np.testing.assert_allclose(segments.boxes[first], [truth(f) for f in CLIP_FRAMES], atol=1e-9)


def polygon(box):
    x1, y1, x2, y2 = box
    return [[x1, y1, x2, y1, x2, y2, x1, y2]]


def plain_lengths(mask):
    """Run lengths column by column, the first of what is not the object."""
    flat = mask.ravel(order="F").astype(int)
    ends = np.flatnonzero(np.diff(flat)) + 1
    lengths = np.diff(np.concatenate([[0], ends, [flat.size]])).tolist()
    return {"size": list(mask.shape), "counts": lengths if not flat[0] else [0, *lengths]}


@pytest.mark.parametrize("form", ["polygon", "plain", "compressed"])
@pytest.mark.parametrize("with_box", [True, False])
def test_masks(clip, tmp_path, form, with_box):
    mask = np.zeros(SIZE[::-1], bool)
    mask[20:28, 6:16] = True
    value = coco()
    value["annotations"] = [row for row in value["annotations"] if row["track_id"] == 0]
    for row in value["annotations"]:
        outline = {"polygon": polygon([6, 20, 16, 28]), "plain": plain_lengths(mask)}.get(form)
        row["segmentation"] = outline or {"size": list(mask.shape), "counts": encode_mask(mask).decode()}
        row["bbox"] = [6, 20, 10, 8]
        if not with_box:
            del row["bbox"]
    segments = GivenSegments(written(tmp_path / "all.json", value)).segment(clip)
    assert segments.mask_size == SIZE
    np.testing.assert_allclose(segments.boxes[0], [[6, 20, 16, 28]] * len(CLIP_FRAMES))
    for t in range(len(CLIP_FRAMES)):
        np.testing.assert_array_equal(segments.mask(0, t), mask)


def test_masks_of_twice_the_size_stay_what_they_are_and_another_shape_is_refused(clip, tmp_path):
    large = np.zeros((96, 128), bool)
    large[40:56, 12:32] = True
    value = coco()
    for row in value["annotations"]:
        row["segmentation"] = plain_lengths(large)
        del row["bbox"]
    segments = GivenSegments(written(tmp_path / "b.json", value)).segment(clip)
    # The box counts in the image that the file states, of half the mask's size.
    np.testing.assert_allclose(segments.boxes[0, 0], [6, 20, 16, 28])
    assert segments.labels(SIZE)[0, 21:27, 7:15].min() >= 0
    value["annotations"][0]["segmentation"] = plain_lengths(np.pad(large, [(0, 40), (0, 0)]))
    with pytest.raises(InputError, match="128x136"):
        GivenSegments(written(tmp_path / "b.json", value)).segment(clip)


def test_bad_rows_are_left_out_and_counted(clip, tmp_path, caplog):
    value = coco()
    bad = [
        [float("nan"), 1, 5, 5],
        [1, 1, -5, 5],
        [1, 1, 5, 0],
        [100, 100, 5, 5],
        "no box",
        [1, 2, 3],
    ]
    for k, box in enumerate(bad):
        value["annotations"].append(
            {"id": 900 + k, "image_id": 100, "category_id": 3, "track_id": 50 + k, "bbox": box}
        )
    # A mask that promises more pixels than its image has, and an object twice in a frame.
    mask = {"size": [SIZE[1], SIZE[0]], "counts": "zzzz"}
    value["annotations"] += [
        {"image_id": 100, "category_id": 3, "track_id": 60, "bbox": [1, 1, 5, 5], "segmentation": mask},
        {"image_id": 100, "category_id": 3, "track_id": 0, "bbox": [30, 1, 5, 5], "score": 0.5},
    ]
    backend = GivenSegments(written(tmp_path / "all.json", value))
    with caplog.at_level(logging.WARNING):
        assert_car_and_person(backend.segment(clip))
        backend.segment(clip)
    (message,) = caplog.messages
    assert f"{len(bad) + 2} boxes are left out" in message


def test_a_class_is_what_most_scores_together_speak_for(clip, tmp_path):
    value = coco()
    for k, row in enumerate(value["annotations"]):
        # The object 0 is called a car in a third of its rows, with far higher scores.
        row.update(score=0.9, category_id=3) if k % 3 == 0 else row.update(score=0.2, category_id=4)
    segments = GivenSegments(written(tmp_path / "all.json", value)).segment(clip)
    assert segments.categories == ("car", "car")


def test_boxes_are_cut_at_the_image(clip, tmp_path):
    written(tmp_path / "a/b.txt", mot([mot_row(f, 1, [-6, 20, 4, 28], 1, 3, 1) for f in range(LENGTH)]))
    np.testing.assert_allclose(GivenSegments(tmp_path).segment(clip).boxes[0, 0], [0, 20, 4, 28])


def in_parquet(path, size=SIZE, count=7, mask=None):
    boxes = np.array([[truth(f) for f in CLIP_FRAMES[:count]]]) * size[0] / SIZE[0]
    masks = {} if mask is None else {(0, 0): mask}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_segments(Segments(("car",), boxes, np.ones((1, count)), size, size, masks, "sam2", "Apache-2.0"), path)


@pytest.mark.parametrize("place", ["b-000.parquet", "b-000/segments.parquet", "a/b.parquet"])
def test_our_own_parquet(clip, tmp_path, place):
    in_parquet(tmp_path / "boxes" / place, size=(128, 96))
    segments = GivenSegments(tmp_path / "boxes").segment(clip)
    np.testing.assert_allclose(segments.boxes[0], [truth(f) for f in CLIP_FRAMES], atol=1e-5)
    # Whose weights found them must be said of every row that they lead to.
    assert (segments.backend, segments.licence, segments.size) == ("sam2", "Apache-2.0", SIZE)


def test_a_parquet_with_another_clip_s_frames_is_refused(clip, tmp_path):
    in_parquet(tmp_path / "b-000.parquet", count=4)
    with pytest.raises(InputError, match="4 frames"):
        GivenSegments(tmp_path / "b-000.parquet").segment(clip)
    in_parquet(tmp_path / "c-000.parquet")
    with pytest.raises(InputError, match="not named"):
        GivenSegments(tmp_path / "c-000.parquet").segment(clip)


def test_a_broken_mask_in_a_parquet_never_reaches_the_decoder(clip, tmp_path, caplog):
    in_parquet(tmp_path / "b-000.parquet", mask=b"1000000")
    segments = GivenSegments(tmp_path / "b-000.parquet").segment(clip)
    assert not segments.seen[0, 0]
    assert segments.seen[0, 1:].all()
    assert "1 boxes are left out" in caplog.text


def test_one_file_never_serves_two_videos(videos, tmp_path):
    path = written(tmp_path / "b.txt", mot([mot_row(f, 1, truth(f), 1, 3, 1) for f in range(LENGTH)]))
    assert len(GivenSegments(path).segment(ClipFrames(a_clip(), videos))) == 1
    other = ClipFrames(a_clip(video="a/other.mp4", id="other-000"), videos)
    with pytest.raises(InputError, match="does not say whose"):
        GivenSegments(path).segment(other)
    with pytest.raises(InputError, match=r"names no video a/other\.mp4"):
        GivenSegments(written(tmp_path / "all.json", coco())).segment(other)
    # Where there is but one video it is this one's, whatever it is called.
    (videos / "a" / "b.mp4").unlink()
    assert len(GivenSegments(path).segment(other)) == 1


def test_nothing_for_a_clip(clip, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"a/b\.json"):
        GivenSegments(tmp_path / "empty").segment(clip)
    with pytest.raises(InputError, match="no boxes at"):
        GivenSegments(tmp_path / "absent")
    written(tmp_path / "b.csv", "x")
    with pytest.raises(InputError, match=r"\.json"):
        GivenSegments(tmp_path / "b.csv").segment(clip)


def test_a_file_without_boxes_gives_no_objects(clip, tmp_path):
    segments = GivenSegments(written(tmp_path / "b.json", coco(annotations=[]))).segment(clip)
    assert segments.boxes.shape == (0, len(CLIP_FRAMES), 4)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda value: value.pop("annotations"), "laid out"),
        (lambda value: value["annotations"][0].pop("image_id"), "image_id"),
        (lambda value: value["annotations"][0].update(category_id=99), "99"),
        (lambda value: value.update(categories=[{"name": "car"}]), "'id'"),
        (lambda value: value.update(images="none"), "laid out"),
        (lambda value: value["images"][3].update(frame_id=500), "frame 500 of a video of 31"),
        (lambda value: [image.update(width=48, height=64) for image in value["images"]], "48x64"),
        (lambda value: [image.pop("frame_id") for image in value["images"]], "which frame"),
        (lambda value: value["images"][0].update(width="wide"), "laid out"),
    ],
)
def test_a_file_that_is_not_coco_s_is_refused(clip, tmp_path, change, says):
    value = coco()
    change(value)
    with pytest.raises(InputError, match=says):
        GivenSegments(written(tmp_path / "b.json", value)).segment(clip)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1,1,5,5,10\n", "line 1"),
        ("1,1,5,5,10,10,1\n2,one,5,5,10,10,1\n", "line 2"),
        ("40,1,5,5,10,10,1\n", "frame 40 of a video of 31"),
        ("0,1,5,5,10,10,1\n", "frame 0"),
        ("nan,1,5,5,10,10,1\n", "frame nan"),
    ],
)
def test_a_text_that_is_not_the_challenge_s_is_refused(clip, tmp_path, text, says):
    with pytest.raises(InputError, match=says):
        GivenSegments(written(tmp_path / "b.txt", text)).segment(clip)
