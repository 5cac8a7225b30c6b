"""Importing st_vlm is cheap, and the libraries know it in whichever order they are imported. Each case needs a fresh
interpreter."""

import json
import subprocess
import sys

import pytest

HEAVY = ("torch", "transformers", "datasets", "av", "pandas")


def run(code: str, *arguments: str) -> dict:
    """What a new Python process prints as its last line, as JSON."""
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_import_loads_no_heavy_library_until_a_name_is_used():
    seen = run(
        f"""
import json, sys
import st_vlm
light = [name for name in {HEAVY} if name in sys.modules]
missing = sorted(set(st_vlm.__all__) - set(dir(st_vlm)))
from st_vlm import InputError, Recording, open_recordings
still = [name for name in {HEAVY} if name in sys.modules]
import transformers
print(json.dumps([light, missing, still, "torch" in sys.modules, st_vlm.__version__, hasattr(st_vlm, "nonsense")]))
"""
    )
    assert seen[:3] == [[], [], []]
    assert seen[3] is False  # our hooks leave `import transformers` light, too
    assert seen[4][0].isdigit()
    assert seen[5] is False


ORDERS = {
    # the inner module first: transformers is half imported when our hooks run
    "ours, then theirs": "import st_vlm\nimport transformers.models.auto.modeling_auto",
    "theirs, then ours": "import transformers\nfrom transformers import AutoModel, AutoProcessor\nimport st_vlm",
    "our names first": "import st_vlm\nassert all(hasattr(st_vlm, name) for name in st_vlm.__all__)",
}
USE = """
import json, sys, torch
from PIL import Image
from transformers import (
    AutoConfig, AutoImageProcessor, AutoModel, AutoModelForImageTextToText, AutoModelForMultimodalLM, AutoProcessor,
    AutoTokenizer, AutoVideoProcessor, pipeline,
)
torch.set_num_threads(1)
folder = sys.argv[1]
model, processor = AutoModel.from_pretrained(folder), AutoProcessor.from_pretrained(folder)
video = torch.load(folder + "/video.pt").numpy()
inputs = processor(text="<video>How far?", videos=video, return_tensors="pt")
with torch.no_grad():
    torch.save(model(**inputs).logits, folder + "/logits.pt")
others = (AutoConfig, AutoModelForImageTextToText, AutoModelForMultimodalLM, AutoVideoProcessor, AutoImageProcessor)
names = [type(x).__name__ for x in (model, processor, *(auto.from_pretrained(folder) for auto in others))]
pipe = pipeline("image-text-to-text", model=folder)
image = {"type": "image", "image": Image.new("RGB", (64, 48))}
chat = [{"role": "user", "content": [image, {"type": "text", "text": "How far?"}]}]
said = pipe(text=chat, generate_kwargs={"max_new_tokens": 2}, return_full_text=False)[0]["generated_text"]
print(json.dumps({
    "names": names,
    "input_ids": inputs["input_ids"].tolist(),
    "vocabulary": len(AutoTokenizer.from_pretrained(folder)),
    "answer": model.answer(video, "How far?", max_new_tokens=3).text,
    "pipeline": [type(pipe.model).__name__, isinstance(said, str)],
}))
"""


@pytest.mark.parametrize(
    "order", ["ours, then theirs", *(pytest.param(order, marks=pytest.mark.slow) for order in list(ORDERS)[1:])]
)
def test_a_new_process_knows_the_saved_model(order, tmp_path):
    """Through the Auto classes: the same classes and prompt, and bit for bit the same logits."""
    import torch

    from st_vlm.models.tiny import make_tiny

    torch.set_num_threads(1)
    model, processor = make_tiny(tmp_path, seed=5)
    video = torch.arange(3 * 40 * 64 * 3).remainder(251).to(torch.uint8).reshape(3, 40, 64, 3)
    torch.save(video, tmp_path / "video.pt")
    inputs = processor(text="<video>How far?", videos=video.numpy(), return_tensors="pt")
    seen = run(ORDERS[order] + USE, str(tmp_path))
    with torch.no_grad():
        assert torch.equal(torch.load(tmp_path / "logits.pt"), model(**inputs).logits)
    ours = "STVLMForConditionalGeneration"
    assert seen == {
        "names": [
            ours,
            "STVLMProcessor",
            "STVLMConfig",
            ours,
            ours,
            "STVLMVideoProcessor",
            "LlavaOnevisionImageProcessor",
        ],
        "input_ids": inputs["input_ids"].tolist(),
        "vocabulary": len(processor.tokenizer),
        "answer": model.answer(video.numpy(), "How far?", processor=processor, max_new_tokens=3).text,
        "pipeline": [ours, True],
    }
