"""The bench recipe on control variants: each is made, read by the model's processor and scored."""

import json

import pytest
import torch
from st_vlm.recipes import run_bench

from st_vlm.building.build import build
from st_vlm.building.settings import BuildSettings
from st_vlm.errors import InputError
from st_vlm.models.tiny import make_tiny
from st_vlm.training.clips import ClipReader
from st_vlm.training.conversations import prompt_text, to_conversation
from st_vlm.training.rows import load_rows


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("bench") / "model"
    return make_tiny(folder), folder


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    out = tmp_path_factory.mktemp("scenes") / "stkit"
    options = {"seed": 3, "num_recordings": 1, "image_size": [160, 96]}
    build(BuildSettings("simulated", seed=3, balance="none", source_options=options), out)
    return out


def bench(model, built, out, *more):
    options = ["--model", str(model[1]), "--dataset", str(built), "--split", "train", "--out", str(out)]
    return run_bench.main([*options, "--max_new_tokens", "2", "--limit", "4", *more])


def first(model, folder):
    """The first question's prompt and its clip as the model gets them."""
    conversation = to_conversation(load_rows(str(folder), split="train")[0])
    processor = model[0][1]
    clip = None if conversation.video is None else ClipReader(processor)(conversation)
    return prompt_text(processor, conversation), clip


@pytest.mark.parametrize(
    "name",
    [
        "mirrored",
        "one_frame",
        "no_video",
        pytest.param("double_frame_rate", marks=pytest.mark.slow),
        "half_frame_rate",
    ],
)
def test_a_variant_is_made_asked_and_scored(model, built, tmp_path, name, capsys):
    out = tmp_path / "out"
    assert bench(model, built, out, "--control", name) == 0
    assert json.loads((out / "dataset" / "stkit.json").read_text())["control"] == name
    assert sum(task["n"] for task in json.loads((out / "scores.json").read_text())["tasks"].values()) == 4
    # An earlier run's variant and answers are used again.
    made = (out / "dataset" / "train" / "metadata.parquet").stat().st_mtime_ns
    assert bench(model, built, out, "--control", name) == 0
    assert (out / "dataset" / "train" / "metadata.parquet").stat().st_mtime_ns == made
    assert "4 answers (4 from an earlier run)" in capsys.readouterr().err
    prompt, clip = first(model, out / "dataset")
    row = load_rows(str(out / "dataset"), split="train")[0]
    if name == "no_video":
        assert "<video>" not in prompt
        assert clip is None
    else:
        assert "<video>" in prompt
        assert clip.times_s.tolist() == pytest.approx(row["timestamps"])
        assert len(clip.frames) == len(row["timestamps"])


def test_an_unknown_control_and_a_dataset_without_folder_are_refused(model, built, tmp_path):
    with pytest.raises(InputError, match="Unknown control 'sideways'"):
        bench(model, built, tmp_path / "out", "--control", "sideways")
    with pytest.raises(InputError, match="is made of a folder that"):
        run_bench.main(["--model", str(model[1]), "--control", "mirrored", "--out", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()
