"""Weights that cannot be had: a sentence that says which, and what to do."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from st_vlm.errors import InputError
from st_vlm.pseudo_labels import weights
from st_vlm.pseudo_labels.semantics.grounded_sam2 import GroundedSam2
from st_vlm.pseudo_labels.semantics.sam3 import Sam3
from st_vlm.pseudo_labels.weights import choose_dtype, licence_of, load_model, load_processor


def sam2_from(folder):
    from transformers import Sam2VideoModel

    return load_model(Sam2VideoModel, str(folder), torch.device("cpu"), torch.float32)


@pytest.fixture
def copied(tiny, tmp_path):
    return Path(shutil.copytree(tiny("sam2.1-hiera-tiny"), tmp_path / "sam2"))


def test_pickled_weights_are_not_read(copied):
    torch.save(load_file(copied / "model.safetensors"), copied / "pytorch_model.bin")
    (copied / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"model\.safetensors.*save_pretrained"):
        sam2_from(copied)


def test_weights_that_are_cut_off(copied):
    with (copied / "model.safetensors").open("r+b") as file:
        file.truncate(5000)
    with pytest.raises(InputError, match=r"cannot be read.*Download it again"):
        sam2_from(copied)


def test_weights_that_are_half_there_are_not_filled_with_random_ones(copied):
    tensors = load_file(copied / "model.safetensors")
    half = {name: tensor for name, tensor in tensors.items() if not name.startswith("memory_attention")}
    save_file(half, copied / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match="would be random"):
        sam2_from(copied)


def test_another_model_s_weights(tiny):
    with pytest.raises(InputError, match=r"'grounding-dino'.*'sam2_video'"):
        sam2_from(tiny("grounding-dino-tiny"))


def test_a_folder_that_is_not_there(tmp_path, short_clip):
    with pytest.raises(InputError, match=r"no folder .*nowhere"):
        sam2_from(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"no folder .*nowhere"):
        GroundedSam2(tracker=str(tmp_path / "nowhere")).segment(short_clip)


def test_a_folder_without_a_processor(copied):
    from transformers import Sam2VideoProcessor

    (copied / "processor_config.json").unlink()
    with pytest.raises(InputError, match="sam2"):
        load_processor(Sam2VideoProcessor, str(copied))


@pytest.fixture
def offline(monkeypatch, tmp_path):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))


@pytest.mark.usefixtures("offline")
def test_weights_that_are_not_here_while_offline(short_clip):
    with pytest.raises(InputError, match=r"sam2.1-hiera-large.*cannot be reached.*hf download facebook/.*FOLDER"):
        GroundedSam2().segment(short_clip)
    with pytest.raises(InputError, match=r"facebook/sam3.*hf download facebook/sam3.*granted one by one"):
        Sam3().segment(short_clip)


@pytest.mark.parametrize(
    ("said", "grant", "words"),
    [
        ("You are trying to access a gated repo.\nMake sure to have access to it.", "Ask for it.", "Ask for it"),
        ("401 Client Error. Cannot access gated repo", "", "log in by `hf auth login`"),
        ("x/y is not a local folder and is not a valid model identifier listed on", "", "Check the name"),
        ("something else", "", r"something else.*hf download"),
    ],
)
def test_what_the_hub_says(said, grant, words):
    class Model:
        class config_class:
            model_type = "sam3_video"

            @staticmethod
            def get_config_dict(checkpoint):
                raise OSError(said)

    with pytest.raises(InputError, match=words):
        load_model(Model, "x/y", torch.device("cpu"), torch.float32, grant)


def test_a_hub_that_does_not_answer_is_not_asked_for_every_clip(monkeypatch):
    asked, clock = [], iter(range(0, 10_000, 30))
    monkeypatch.setattr(weights, "_REFUSED", {})
    monkeypatch.setattr(weights.time, "monotonic", lambda: next(clock))

    class Model:
        class config_class:
            model_type = "sam3_video"

            @staticmethod
            def get_config_dict(checkpoint):
                asked.append(checkpoint)
                raise OSError("We couldn't connect to the Hub")

    for _ in range(5):
        with pytest.raises(InputError, match="cannot be reached"):
            load_model(Model, "x/y", torch.device("cpu"), torch.float32)
    assert asked == ["x/y"]


def test_types_by_device():
    assert choose_dtype(None, torch.device("cpu")) is torch.float32
    assert choose_dtype(None, torch.device("cuda")) is torch.bfloat16


def test_licences_by_name():
    assert licence_of("IDEA-Research/grounding-dino-base", "facebook/sam2.1-hiera-small") == "Apache-2.0"
    assert licence_of("/models/sam3") == "SAM License"
    assert licence_of("mine/other", "facebook/sam2-hiera-tiny") == "unknown and Apache-2.0"
