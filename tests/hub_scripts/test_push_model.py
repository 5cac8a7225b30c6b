"""A model's folder to a hub over HTTP and back, its card's code run as it stands, and folders that are no model."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from huggingface_hub import constants
from local_hub import READ_TOKEN, TOKEN, LocalHub
from lone_process import lone
from safetensors.torch import load_file, save_file
from st_vlm.hub_scripts import push_model

from st_vlm.errors import InputError
from st_vlm.models.remote_code import generate
from st_vlm.models.tiny import make_tiny

SCRIPT = Path(__file__).parents[2] / "hub_scripts" / "push_model.py"
SETTINGS = {
    "model_name_or_path": "tiny",
    "dataset": "/home/jane/secret project/stkit",
    "config_name": None,
    "max_steps": -1,
    "num_train_epochs": 2.0,
    "learning_rate": 0.001,
    "seed": 7,
    "use_peft": False,
}
# What a reader of the card runs: its own code, then more of the ways in, on the branch that it names.
CARD = """
import json, sys
from huggingface_hub import hf_hub_download
card = open(hf_hub_download("org/tiny", "README.md")).read()
code = [part.split("```")[0] for part in card.split("```python")[1:]][int(sys.argv[1])]
exec(code)
from transformers import AutoProcessor, pipeline
how = {"trust_remote_code": True} if int(sys.argv[1]) else {}
processor = AutoProcessor.from_pretrained("org/tiny", **how)
asked = pipeline("image-text-to-text", model="org/tiny", **how)
branch = AutoModel.from_pretrained("org/tiny", revision="blind", **how)
blind = branch.answer(None, "How far?", marks, timestamps=[0.5 * k for k in range(10)], camera={"size": (320, 240)})
print()
print(json.dumps({
    "said": said.text,
    "model": type(model).__module__,
    "processor": type(processor).__module__,
    "asked": type(asked.model).__module__,
    "processor of the branch": branch._answer_processor.sees_video,
    "blind": blind.text,
}))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run's folder, with what does not belong to the model."""
    out = tmp_path_factory.mktemp("run") / "st-vlm"
    make_tiny(out)
    (out / "sft_settings.json").write_text(json.dumps(SETTINGS))
    (out / "training_args.bin").write_bytes(b"pickled")
    (out / "checkpoint-5").mkdir()
    (out / "checkpoint-5" / "optimizer.pt").write_bytes(b"pickled")
    (out / "README.md").write_text("A trainer's own card.")
    return out


@pytest.fixture
def hub(monkeypatch):
    """A hub that huggingface_hub of this process speaks to as well."""
    with LocalHub() as one:
        monkeypatch.setattr(constants, "ENDPOINT", one.url)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield one


@pytest.mark.slow
def test_a_model_goes_and_its_card_runs_both_ways(hub, folder, tmp_path, capsys):
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(folder), "org/tiny", "--private", "--message", "first"],
        env=hub.environment(tmp_path / "home"), capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip() == f"{hub.url}/org/tiny"
    assert "not uploaded: checkpoint-5, sft_settings.json, training_args.bin" in done.stderr
    assert TOKEN not in done.stdout + done.stderr

    repository = hub.repositories["model", "org/tiny"]
    assert repository.private
    assert repository.messages == ["initial commit", "first"]
    files = repository.files()
    assert {name: files[name].decode() for name in files if name.endswith(".py")} == generate()
    assert files["model.safetensors"] == (folder / "model.safetensors").read_bytes()
    assert not any(name.endswith((".bin", ".pt")) or name.startswith("checkpoint") for name in files)

    # again: nothing to send, from this process, too
    sent = len(hub.uploads)
    assert push_model.main([str(folder), "org/tiny"]) == 0
    assert f"Nothing has changed: all {len(files) - 1} files are there already." in capsys.readouterr().err
    assert repository.messages == ["initial commit", "first"]
    assert len(hub.uploads) == sent

    make_tiny(tmp_path / "blind", sees_video=False)
    assert push_model.main([str(tmp_path / "blind"), "org/tiny", "--revision", "blind"]) == 0
    assert repository.files() == files
    blind_card = repository.files("blind")["README.md"].decode()
    assert 'from_pretrained("org/tiny", revision="blind", trust_remote_code=True)' in blind_card
    assert "sees no frames" in blind_card

    answers = []
    for number, package in enumerate((True, False)):
        environment = hub.environment(tmp_path / f"reader {number}") | {"HF_HUB_OFFLINE": "0"}
        said = lone(CARD, number, home=tmp_path / f"reader {number}", package=package, **environment)
        start = "st_vlm.models." if package else "transformers_modules.org.tiny."
        assert all(said.pop(part).startswith(start) for part in ("model", "processor", "asked"))
        assert said["processor of the branch"] is False
        answers.append(said)
    assert answers[0] == answers[1]
    assert answers[0]["said"] != ""


def test_a_card_says_what_is_known_and_nothing_of_the_disk(hub, folder):
    options = ["--base_model", "llava-hf/llava-onevision-qwen2-0.5b-ov-hf", "--dataset", "org/stkit"]
    assert push_model.main([str(folder), "org/one"]) == 0
    assert push_model.main([str(folder), "org/two", *options, "--licence", "CC-BY-NC-SA-4.0"]) == 0
    one, two = (hub.repositories["model", name].files()["README.md"].decode() for name in ("org/one", "org/two"))
    heads = [yaml.safe_load(card.split("---\n")[1]) for card in (one, two)]
    assert heads[0]["license"] == "apache-2.0"
    assert "base_model" not in heads[0]
    assert "datasets" not in heads[0]
    assert heads[0]["library_name"] == "transformers"
    changed = {"license": "cc-by-nc-sa-4.0", "base_model": options[1], "datasets": ["org/stkit"]}
    assert heads[1] == heads[0] | changed
    for part in ("jane", "secret", str(folder.parent)):
        assert part not in one + two
    for told in (
        "| tuned from | random weights |",
        "| on | `stkit` |",
        "| epochs | 2.0 |",
        "| learning rate | 0.001 |",
    ):
        assert told in one
    assert "steps" not in one
    assert "| on | `org/stkit` |" in two
    count = sum(weight.numel() for weight in load_file(folder / "model.safetensors").values())
    assert f"It has {count / 1e6:.1f} million parameters" in one
    # the two sentences on track tokens
    paragraph = re.search(r"The model takes \*\*track tokens\*\*.*?\n\n", one, re.DOTALL)[0]
    assert paragraph.count(". ") + paragraph.count(".\n") == 2


def test_a_model_without_track_tokens_says_so(hub, tmp_path):
    make_tiny(tmp_path / "plain", track_tokens=False)
    assert push_model.main([str(tmp_path / "plain"), "org/plain"]) == 0
    card = hub.repositories["model", "org/plain"].files()["README.md"].decode()
    assert "takes no track tokens" in card
    assert "save_pretrained_as_base" in card
    assert "Not noted in the model's folder." in card


def test_shards_go_along_with_their_index(hub, folder, tmp_path):
    sharded(folder, tmp_path / "sharded")
    assert push_model.main([str(tmp_path / "sharded"), "org/sharded"]) == 0
    files = hub.repositories["model", "org/sharded"].files()
    assert {name for name in files if "safetensors" in name} == {"a.safetensors", "b.safetensors", INDEX}
    (tmp_path / "sharded" / "b.safetensors").unlink()
    with pytest.raises(InputError, match=r"lacks b\.safetensors, which its index names"):
        push_model.main([str(tmp_path / "sharded"), "org/sharded"])


INDEX = "model.safetensors.index.json"


def sharded(folder, out):
    """A copy of a model whose weights lie in two files."""
    shutil.copytree(folder, out)
    weights = list(load_file(out / "model.safetensors").items())
    (out / "model.safetensors").unlink()
    parts = {"a.safetensors": dict(weights[::2]), "b.safetensors": dict(weights[1::2])}
    for name, part in parts.items():
        save_file(part, out / name, metadata={"format": "pt"})
    names = {weight: name for name, part in parts.items() for weight in part}
    (out / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": names}))


def test_a_dry_run_asks_nothing_of_the_hub(hub, folder, capsys):
    assert push_model.main([str(folder), "org/tiny", "--dry_run"]) == 0
    assert re.search(r"\d+ files of \d+\.\d MB would go to org/tiny", capsys.readouterr().err)
    assert hub.requests == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda folder: shutil.rmtree(folder), "There is no folder"),
        (lambda folder: (folder / "config.json").unlink(), "holds no model: there is no config.json"),
        (
            lambda folder: (folder / "config.json").rename(folder / "adapter_config.json"),
            "holds adapters alone: merge them",
        ),
        (
            lambda folder: (folder / "model.safetensors").rename(folder / "pytorch_model.bin"),
            "has no model.safetensors: only weights in that form",
        ),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"half"), "cannot be read as safetensors"),
        (lambda folder: (folder / "config.json").write_text("{"), "lacks a configuration or processor"),
        (lambda folder: (folder / "config.json").write_text('{"model_type": "qwen2"}'), "is a checkpoint of qwen2"),
        (lambda folder: (folder / "processor_config.json").write_text("{"), "lacks a configuration or processor"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "lacks a configuration or processor"),
        (lambda folder: (folder / INDEX).write_text("[]"), "is no index of weights"),
    ],
)
def test_what_is_no_model_is_refused_before_the_hub_is_asked(hub, folder, tmp_path, change, sentence):
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    change(copy)
    with pytest.raises(InputError, match=sentence) as refused:
        push_model.main([str(copy), "org/tiny"])
    assert "\n" not in str(refused.value)
    assert hub.requests == []


def test_a_hub_that_refuses_and_a_name_that_cannot_be(hub, folder, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", READ_TOKEN)
    with pytest.raises(InputError, match="does not let you write the model org/tiny: use a token with write access"):
        push_model.main([str(folder), "org/tiny"])
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert push_model.main([str(folder), "org/tiny"]) == 0
    with pytest.raises(InputError, match="is public, so nothing was uploaded"):
        push_model.main([str(folder), "org/tiny", "--private"])
    with pytest.raises(InputError, match="is no name of a repository"):
        push_model.main([str(folder), "tiny"])
