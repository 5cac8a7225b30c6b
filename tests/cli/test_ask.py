"""`st-vlm ask` as a user runs it: output, files, sentences and exit codes."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from st_vlm.cli import main as cli
from st_vlm.models.answering import AnsweringMixin, ModelAnswer
from st_vlm.models.tiny import make_tiny
from st_vlm.questions.answers import Quantity
from st_vlm.training import loading
from st_vlm.video import box_tracker
from st_vlm.video.encoding import write_video

TIMES = np.arange(24) / 8
QUESTION = "How far does the red object travel?"


def box_at(i: int) -> tuple[int, int, int, int]:
    return 10 + 4 * i, 30, 50 + 4 * i, 70


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """Three seconds of a textured square that moves to the right, 4 pixels a frame, over another texture."""
    random = np.random.default_rng(0)
    field, thing = (
        random.integers(0, 255, (n, m, 3), np.uint8).repeat(8, 0).repeat(8, 1) for n, m in ((12, 20), (5, 5))
    )
    frames = np.repeat(field[None] // 2, len(TIMES), axis=0)
    for i, frame in enumerate(frames):
        x1, y1, x2, y2 = box_at(i)
        frame[y1:y2, x1:x2] = thing
    path = tmp_path_factory.mktemp("ask") / "square.mp4"
    write_video(path, frames, TIMES)
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A folder with the tiny model."""
    folder = tmp_path_factory.mktemp("ask") / "tiny"
    make_tiny(folder)
    return folder


@pytest.fixture(scope="module")
def loaded(model):
    return loading.load_model(str(model))


@pytest.fixture
def run(monkeypatch, video, tmp_path):
    """The exit code of `st-vlm ask VIDEO QUESTION ARGUMENTS` in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments, video=video, question=QUESTION):
        monkeypatch.setattr("sys.argv", ["st-vlm", "ask", str(video), question, *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        return left.value.code

    return call


@pytest.fixture
def asked(monkeypatch, loaded, model):
    """What the model, loaded once, is asked, in place of its own answer: 12.3 m, fairly sure."""
    calls = []

    def answer(self, video, question, **given):
        calls.append({"video": video, "question": question, **given})
        return ModelAnswer("It travels 12.30 meters.", Quantity(12.3, "m"), 0.87)

    monkeypatch.setattr(AnsweringMixin, "answer", answer)
    monkeypatch.setattr(loading, "load_model", lambda name: {str(model): loaded}[name])
    return calls


def mark(i: int = 8, color: str = "red") -> str:
    return f"{color}={','.join(map(str, box_at(i)))}@{TIMES[i]}"


def test_text_answer_with_unit_and_confidence(run, model, asked, capsys):
    assert run("--mark", mark(), "--model", model) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == ["It travels 12.30 meters.", "answer: 12.3 m", "confidence: 0.87"]
    assert "lost" not in err


def test_the_model_gets_the_followed_boxes_and_what_is_known(run, model, asked, video):
    options = ("--camera-height", "1.6", "--focal", "150", "--task", "traveled_distance")
    assert run("--mark", mark(), "--model", model, *options) == 0
    (call,) = asked
    assert (call["video"], call["question"], call["task"]) == (str(video), QUESTION, "traveled_distance")
    assert call["timestamps"] == pytest.approx(TIMES[::4])
    (red,) = call["marks"]
    assert red.color == "red"
    assert np.array(red.boxes) == pytest.approx(np.array([box_at(i) for i in range(0, 24, 4)]), abs=4)
    assert call["camera"]["height"] == 1.6
    assert np.array(call["camera"]["intrinsics"])[[0, 1], [0, 1]].tolist() == [150, 150]
    assert call["camera"]["size"] == [160, 96]
    assert "poses" not in call["camera"]


def test_a_fixed_camera_looks_down_by_what_is_said(run, model, asked):
    options = ("--camera-height", "1.6", "--focal", "150", "--fixed-camera", "30")
    assert run("--mark", mark(), "--model", model, *options) == 0
    poses = np.array(asked[0]["camera"]["poses"])
    assert poses.shape == (6, 4, 4)
    rotation = poses[0, :3, :3]
    assert rotation @ rotation.T == pytest.approx(np.eye(3))
    assert np.linalg.det(rotation) == pytest.approx(1)
    assert rotation @ [0, 0, 1] == pytest.approx([np.cos(np.pi / 6), 0, -0.5])  # forward: ahead and down
    assert rotation @ [1, 0, 0] == pytest.approx([0, -1, 0])  # right: level


def test_a_real_tiny_model_answers_in_json(run, model, capsys):
    assert run("--mark", mark(), "--model", model, "--format", "json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert isinstance(printed["text"], str)
    assert 0 <= printed["confidence"] <= 1
    assert len(printed["marks"][0]["boxes"]) == len(printed["timestamps"]) == 6
    assert printed["warnings"] == []


def test_the_parsed_answer_in_json_is_a_target(run, model, asked, capsys):
    assert run("--mark", mark(), "--model", model, "--format", "json") == 0
    answer = json.loads(capsys.readouterr().out)["answer"]
    assert (answer["value"], answer["unit"]) == (12.3, "m")


def test_marks_of_a_file_beside_one_that_is_followed(run, model, asked, tmp_path):
    boxes = [[1, 2, 30, 40], None, [5, 6, 70, 80], None, None, None]
    (tmp_path / "marks.json").write_text(json.dumps([{"color": "blue", "boxes": boxes}]))
    assert run("--mark", mark(), "--marks", "marks.json", "--model", model) == 0
    red, blue = asked[0]["marks"]
    assert all(red.boxes)
    assert [box and list(box) for box in blue.boxes] == boxes
    (tmp_path / "marks.json").write_text(json.dumps([{"color": "red", "boxes": [list(box_at(i)) for i in range(24)]}]))
    assert run("--marks", "marks.json", "--model", model) == 0
    assert [box for box in asked[1]["marks"][0].boxes] == [box_at(i) for i in range(0, 24, 4)]


def test_a_lost_mark_is_a_warning(run, model, asked, capsys, monkeypatch):
    monkeypatch.setattr(box_tracker.BoxTracker, "follow", lambda self, frame: None)
    assert run("--mark", mark(), "--model", model) == 0
    out, err = capsys.readouterr()
    assert out.startswith("It travels")
    assert "The red mark is lost before 0.88 s and after 1.12 s: 5 of 6 frames" in err


def test_a_picture_of_the_marked_frames(run, model, asked, tmp_path):
    assert run("--mark", mark(), "--model", model, "--save-frames", "sheet.png") == 0
    sheet = np.asarray(Image.open(tmp_path / "sheet.png").convert("RGB")).astype(int)
    red = (sheet[..., 0] > 200) & (sheet[..., 1:] < 60).all(-1)
    assert red.sum() > 1000
    assert [path.name for path in tmp_path.iterdir()] == ["sheet.png"]


def test_no_question_about_a_colour_needs_no_mark(run, model, asked):
    assert run("--model", model, question="How far does the camera travel?") == 0
    assert list(asked[0]["marks"]) == []


def test_another_colour_than_the_marked_is_said(run, model, asked, capsys):
    assert run("--mark", mark(color="blue"), "--model", model) == 0
    assert "names red, but no mark is red" in capsys.readouterr().err


REFUSED = {
    "names red, but nothing is marked": (),
    "reaches out of the frame: .*160x96 pixels": ("--mark", "red=10,10,300,90@0"),
    "5 marks, but only 4 colours": [
        v for c in ("red", "blue", "green", "yellow", "red") for v in ("--mark", mark(color=c))
    ],
    "Two marks are red": ("--mark", mark(), "--mark", mark()),
    "--mark red=1,2,3@0 cannot be read: write it as": ("--mark", "red=1,2,3@0"),
    "--mark red=1,2,3,4 cannot be read": ("--mark", "red=1,2,3,4"),
    "--mark red=a,2,3,4@0 cannot be read": ("--mark", "red=a,2,3,4@0"),
    "Unknown mark colour 'pink'": ("--mark", "pink=1,2,30,40@0"),
    "x1 < x2": ("--mark", "red=30,2,3,40@0"),
    "--mark red=1,2,nan,40@0: a box": ("--mark", "red=1,2,nan,40@0"),
    "given at 3.5 s, but .*square.mp4 lasts 3.00 s": ("--mark", "red=1,2,30,40@3.5"),
    "given at nan s": ("--mark", "red=1,2,30,40@nan"),
    "--focal must be more than 0": ("--mark", mark(), "--focal", "0"),
    "--camera-height must be more than 0": ("--mark", mark(), "--camera-height", "-1"),
    "--fixed-camera must lie between": ("--mark", mark(), "--fixed-camera", "90"),
    "Unknown task 'speed'": ("--mark", mark(), "--task", "speed"),
    "There is no model at st-vlm: .*make demo": ("--mark", mark()),
    "There is no model at ./other": ("--mark", mark(), "--model", "./other"),
    "missing.json cannot be read": ("--marks", "missing.json"),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_refused_in_one_sentence(run, capsys, sentence):
    assert run(*REFUSED[sentence]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("st-vlm: ")
    assert len(err.splitlines()) == 1
    assert re.search(sentence, err)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("no json", "is no JSON file"),
        ('{"color": "red"}', "must hold a list of marks"),
        ("[3]", "must hold a list of marks"),
        ('[{"color": "red"}]', "needs `color` and `boxes`"),
        ('[{"color": "red", "boxes": [[1, 2, 30, 40]]}]', "has 1 boxes, but the video has 24 frames, of which 6"),
        ('[{"color": "red", "boxes": [[500, 2, 530, 40], null, null, null, null, null]}]', "lies outside the frame"),
    ],
)
def test_a_file_of_marks_that_is_none(run, model, asked, tmp_path, capsys, text, sentence):
    (tmp_path / "marks.json").write_text(text)
    assert run("--marks", "marks.json", "--model", model) == 2
    err = capsys.readouterr().err
    assert err.startswith("st-vlm: marks.json")
    assert sentence in err
    assert not asked


def test_videos_that_are_none(run, model, tmp_path, video, capsys):
    assert run("--mark", mark(), "--model", model, video=tmp_path / "none.mp4") == 2
    assert "There is no video at" in capsys.readouterr().err
    (tmp_path / "broken.mp4").write_bytes(video.read_bytes()[:-2000])
    assert run("--mark", mark(), "--model", model, video=tmp_path / "broken.mp4") == 2
    err = capsys.readouterr().err
    assert "broken.mp4" in err
    assert len(err.splitlines()) == 1
    (tmp_path / "text.mp4").write_text("no video")
    assert run("--mark", mark(), "--model", model, video=tmp_path / "text.mp4") == 2
    assert "cannot be read as a video" in capsys.readouterr().err


def test_a_folder_without_a_model(run, tmp_path, capsys):
    (tmp_path / "st-vlm").mkdir()
    assert run("--mark", mark()) == 2
    assert "st-vlm holds no model" in capsys.readouterr().err


def test_a_picture_that_is_no_png(run, model, asked, capsys):
    assert run("--mark", mark(), "--model", model, "--save-frames", "sheet.gif") == 2
    assert "ends in .png" in capsys.readouterr().err


def test_without_opencv_it_says_what_to_install(run, model, asked, capsys, monkeypatch):
    monkeypatch.setattr(box_tracker, "cv2", None)
    assert run("--mark", mark(), "--model", model) == 2
    assert "st-vlm[track]" in capsys.readouterr().err
    assert not asked
