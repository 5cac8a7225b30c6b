"""Answers to every question of a dataset: the model's own, resumable, and honest about what could not be asked."""

import json
from itertools import pairwise

import pytest
import torch
from micro_dataset import micro_folder

from st_vlm.errors import InputError
from st_vlm.evaluation import runners
from st_vlm.evaluation.runners import PREDICTIONS_FILE, answer_questions, model_identity
from st_vlm.models.tiny import make_tiny
from st_vlm.training.rows import load_rows

IDENTITY = {"model": "m", "questions": "q"}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return micro_folder(tmp_path_factory.mktemp("runners") / "micro")


@pytest.fixture(scope="module")
def rows(built):
    return load_rows(str(built), split="test")


@pytest.fixture(scope="module")
def tiny():
    torch.set_num_threads(1)
    return make_tiny()


def ask(tiny, rows, out, **options):
    return answer_questions(*tiny, rows, out, IDENTITY, **({"max_new_tokens": 6} | options))


def lines(out):
    return [json.loads(line) for line in (out / PREDICTIONS_FILE).read_text().splitlines()]


def test_texts_are_those_of_model_answer(tiny, rows, tmp_path):
    model, processor = tiny
    report = ask(tiny, rows, tmp_path, batch_size=5)
    assert list(report.texts) == rows["id"]
    assert {line["id"]: line["text"] for line in lines(tmp_path)} == report.texts
    for index in (0, 9, 20):
        row = rows[index]
        asked = (row["video"]["path"], row["question"], row["marks"], row["timestamps"], row["camera"])
        own = model.answer(*asked, processor, max_new_tokens=6)
        assert report.texts[row["id"]] == own.text


def test_a_killed_run_goes_on_and_ends_with_the_same_texts(tiny, rows, tmp_path, monkeypatch):
    whole = ask(tiny, rows, tmp_path / "whole", batch_size=4)
    killed = tmp_path / "killed"
    calls = []
    original = type(tiny[0]).generate

    def killed_at_the_third(self, *args, **options):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return original(self, *args, **options)

    monkeypatch.setattr(type(tiny[0]), "generate", killed_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        ask(tiny, rows, killed, batch_size=4)
    assert len(lines(killed)) == 8
    # The last line cut off in the middle of writing.
    text = (killed / PREDICTIONS_FILE).read_text()
    (killed / PREDICTIONS_FILE).write_text(text[:-9])
    calls[:] = [1] * 10
    again = ask(tiny, rows, killed, batch_size=4)
    assert again.kept == 7
    assert len(calls) == 10 + 6  # 21 of 28 questions were left
    assert again.texts == whole.texts
    assert len(lines(killed)) == len(rows)


def test_questions_of_one_clip_are_neighbours_and_it_is_decoded_once(tiny, rows, tmp_path, monkeypatch):
    from st_vlm.training import clips

    decoded = []
    original = clips.gather_clips
    monkeypatch.setattr(clips, "gather_clips", lambda *a, **n: decoded.append(a[1]) or original(*a, **n))
    ask(tiny, rows.shuffle(seed=3), tmp_path, batch_size=3, max_new_tokens=1)
    assert len(decoded) == len(set(rows["clip_id"]))
    order = [line["id"][:8] for line in lines(tmp_path)]
    assert sum(a != b for a, b in pairwise(order)) == len(set(order)) - 1


def test_a_clip_with_several_questions_is_encoded_once(tiny, rows, tmp_path, monkeypatch):
    encoded = []
    backbone = type(tiny[0].model)
    original = backbone.get_video_features
    monkeypatch.setattr(
        backbone,
        "get_video_features",
        lambda self, pixels, **options: encoded.append(len(pixels)) or original(self, pixels, **options),
    )
    ask(tiny, rows, tmp_path, batch_size=len(rows), max_new_tokens=2)
    assert encoded == [len(set(rows["clip_id"]))]


def test_another_model_is_asked_in_the_ordinary_way(tiny, rows, tmp_path, monkeypatch):
    """Whose class offers no shared beginnings; the texts are the same."""
    shared = ask(tiny, rows, tmp_path / "shared", batch_size=8)
    monkeypatch.setattr(runners, "AnsweringMixin", type("Another", (), {}))
    monkeypatch.setattr(runners, "greedy_shared", None)
    assert ask(tiny, rows, tmp_path / "ordinary", batch_size=8).texts == shared.texts


def test_a_video_that_cannot_be_read_fails_its_questions_only(tiny, tmp_path):
    built = micro_folder(tmp_path / "micro", clips=2)
    (built / "test" / "clips" / "micro-01.mp4").write_bytes(b"not a video")
    rows = load_rows(str(built), split="test")
    report = ask(tiny, rows, tmp_path / "out", max_new_tokens=1)
    assert set(report.failures) == {key for key in rows["id"] if key.startswith("micro-01")}
    assert set(report.texts) == {key for key in rows["id"] if key.startswith("micro-00")}
    assert len(set(report.failures.values())) == 1
    assert "micro-01.mp4 cannot be read as a video" in next(iter(report.failures.values()))


def test_answers_of_another_model_are_not_mixed_in(tiny, rows, tmp_path):
    ask(tiny, rows.select([0]), tmp_path, max_new_tokens=1)
    before = (tmp_path / PREDICTIONS_FILE).read_text()
    with pytest.raises(InputError, match="another model"):
        answer_questions(*tiny, rows, tmp_path, {**IDENTITY, "model": "other"}, max_new_tokens=1)
    with pytest.raises(InputError, match="another max_new_tokens"):
        ask(tiny, rows, tmp_path, max_new_tokens=2)
    assert (tmp_path / PREDICTIONS_FILE).read_text() == before


def test_a_model_is_known_by_its_weights(tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        make_tiny(tmp_path / name, seed=seed)
    assert model_identity(tmp_path / "a") == model_identity(tmp_path / "b") != model_identity(tmp_path / "c")
