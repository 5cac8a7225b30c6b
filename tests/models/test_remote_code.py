"""What is saved loads in new processes: with the package, and without it by `trust_remote_code`; never half."""

import ast
import json
import subprocess
import sys

import numpy as np
import pytest
from lone_process import lone

from st_vlm.models.carried_code import AUTO_MAP
from st_vlm.models.remote_code import generate

LIBRARIES = {"PIL", "av", "numpy", "torch", "transformers"}
LOAD = """
import json, numpy as np, torch
from pathlib import Path
import transformers
from transformers import pipeline
from PIL import Image
torch.set_num_threads(1)
folder, out, names, options = Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3]), json.loads(sys.argv[4])
autos = {name: getattr(transformers, name) for name in names}

def kind(thing):
    return type(thing).__module__ + "." + type(thing).__name__

def attempt(auto, **how):
    try:
        return kind(auto.from_pretrained(folder, **how))
    except Exception as error:
        return f"{type(error).__name__}: {error}"

video = np.load(out / "video.npy")
marks = [{"color": "red", "boxes": [[10, 10, 40, 40], None, [20, 10, 50, 40]]}]

def used(folder):
    model = transformers.AutoModel.from_pretrained(folder, **options)
    processor = transformers.AutoProcessor.from_pretrained(folder, **options)
    inputs = processor(text="<video>How far?", videos=video, marks=marks, return_tensors="pt")
    with torch.no_grad():
        logits = model(**inputs).logits
    answer = model.answer(video, "How far does the object travel?", marks, max_new_tokens=4)
    return model, processor, {
        "logits": logits.double().sum().item(),
        "marks": inputs["track_features"].double().sum().item(),
        "answer": answer.text,
        "one class": isinstance(processor.video_processor, type(
            transformers.AutoVideoProcessor.from_pretrained(folder, **options)
        )) and type(model.config) is type(transformers.AutoConfig.from_pretrained(folder, **options)),
    }

said = {"untrusted": {
    f"{name} {how}": attempt(auto, **how) for name, auto in autos.items() for how in ({}, {"trust_remote_code": False})
}}
said["trusted"] = {name: attempt(auto, trust_remote_code=True) for name, auto in autos.items()}
model, processor, said["first"] = used(folder)
model.save_pretrained(out / "again")
processor.save_pretrained(out / "again")
processor.video_processor.save_pretrained(out / "alone")
_, _, said["again"] = used(out / "again")
said["alone"] = kind(transformers.AutoVideoProcessor.from_pretrained(out / "alone", **options))
asked = pipeline("image-text-to-text", model=str(folder), **options)
for part in ({"type": "image", "image": Image.fromarray(video[0])}, {"type": "video", "path": str(out / "clip.mp4")}):
    messages = [{"role": "user", "content": [part, {"type": "text", "text": "What moves?"}]}]
    said[part["type"]] = asked(text=messages, max_new_tokens=4, return_full_text=False)[0]["generated_text"].strip()
said["ours"] = "st_vlm.models.modeling_st_vlm" in sys.modules
print()  # the question whether to trust the code ends in no line of its own
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def places(tmp_path_factory, clip):
    """For each way of loading, a folder with what the script needs."""
    folder = tmp_path_factory.mktemp("loading")
    video = np.random.default_rng(5).integers(0, 255, (3, 90, 160, 3), np.uint8)
    for way in ("package", "remote"):
        (folder / way).mkdir()
        np.save(folder / way / "video.npy", video)
        (folder / way / "clip.mp4").write_bytes(clip.read_bytes())
    return folder


@pytest.fixture(scope="module")
def package(places, tiny_folder):
    """What a process with the package says."""
    return lone(
        "import sys\n" + LOAD, tiny_folder, places / "package", json.dumps(list(AUTO_MAP)), "{}",
        home=places / "package home", package=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def remote(places, tiny_folder):
    """What a process says that cannot import the package."""
    return lone(
        LOAD, tiny_folder, places / "remote", json.dumps(list(AUTO_MAP)), '{"trust_remote_code": true}',
        home=places / "remote home", package=False,
    )  # fmt: skip


@pytest.mark.slow
def test_with_the_package_its_own_classes_load_whatever_is_trusted(package):
    assert package["ours"]
    for found in (*package["untrusted"].values(), *package["trusted"].values(), package["alone"]):
        assert found.startswith("st_vlm.models.")
    for name, found in package["trusted"].items():
        assert found.endswith(AUTO_MAP[name].partition(".")[2])


@pytest.mark.slow
def test_without_it_the_carried_code_loads_when_it_is_trusted(remote):
    assert not remote["ours"]
    for name, found in remote["trusted"].items():
        assert found.startswith("transformers_modules.tiny."), found
        assert found.endswith(AUTO_MAP[name].partition(".")[2])
    assert remote["alone"].startswith("transformers_modules.alone.")


@pytest.mark.slow
def test_without_either_nothing_loads_least_of_all_a_bare_tokenizer(remote):
    assert len(remote["untrusted"]) == 2 * len(AUTO_MAP)
    for found in remote["untrusted"].values():
        assert found.startswith("ValueError: ")
        assert "trust_remote_code=True" in found


@pytest.mark.slow
def test_both_ways_do_the_same_and_what_was_saved_again_does_too(package, remote, tiny, places):
    model, processor = tiny
    video = np.load(places / "remote" / "video.npy")
    marks = [{"color": "red", "boxes": [[10, 10, 40, 40], None, [20, 10, 50, 40]]}]
    expected = model.answer(video, "How far does the object travel?", marks, processor=processor, max_new_tokens=4)
    for said in (package["first"], package["again"], remote["first"], remote["again"]):
        assert said == package["first"]
        assert said["answer"] == expected.text != ""
        assert said["one class"]


@pytest.mark.slow
def test_pipelines_take_images_and_videos_both_ways(package, remote, clip, tiny):
    model, processor = tiny
    assert package["image"] == remote["image"] != ""
    expected = model.answer(clip, "What moves?", processor=processor, max_new_tokens=4).text
    assert package["video"] == remote["video"] == expected != ""


@pytest.mark.slow
def test_the_files_go_along_whoever_saves(package, remote, places, tiny_folder):
    for folder in (
        tiny_folder,
        *(places / way / name for way in ("package", "remote") for name in ("again", "alone")),
    ):
        files = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.py")}
        assert files == generate()
        for path in folder.glob("*config.json"):
            content = json.loads(path.read_text())
            maps = [part["auto_map"] for part in (content, content.get("video_processor", {})) if "auto_map" in part]
            assert all(one == AUTO_MAP for one in maps)
            assert len(maps) == {
                "config.json": 1,
                "processor_config.json": 2,
                "video_preprocessor_config.json": 1,
            }.get(path.name, 0)


def test_files_lean_on_five_libraries_and_each_other_alone(tmp_path):
    files = generate()
    trees = {name.removesuffix(".py"): ast.parse(source) for name, source in files.items()}
    for name, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.level:
                assert node.level == 1
                there = {one.name for one in trees[node.module].body if hasattr(one, "name")}
                there |= {one.id for one in ast.walk(trees[node.module]) if isinstance(one, ast.Name)}
                there |= {a.asname or a.name for one in trees[node.module].body for a in getattr(one, "names", [])}
                assert {alias.name for alias in node.names} <= there, name
            elif isinstance(node, ast.Import | ast.ImportFrom):
                modules = [node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
                tops = {module.partition(".")[0] for module in modules}
                assert tops <= LIBRARIES | sys.stdlib_module_names, name
    for name, source in files.items():
        (tmp_path / name).write_text(source)
    # F821: a name that nothing binds, such as one whose statement was left behind.
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "F821,F811,E9", str(tmp_path)],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert sum(map(len, files.values())) < 300_000


def test_every_file_says_where_it_comes_from():
    for name, source in generate().items():
        if name != "auto_st_vlm.py":
            first = source.splitlines()[0]
            assert first.startswith("# st_vlm.")
            assert "Apache-2.0" in first
            module = first.split()[1]
            assert name == module.removeprefix("st_vlm.").removeprefix("models.").replace(".", "_") + ".py"
