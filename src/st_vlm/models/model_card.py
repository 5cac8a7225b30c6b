"""The README of a published model: what it is, how it was trained, and code that runs as it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version

import yaml

_TEXT = """\
# {title}

A vision-language model that says how far, how fast and which way marked objects of a video move, made with st-vlm
{version} after *ST-VLM: Kinematic Instruction Tuning for Spatio-Temporal Reasoning in Vision-Language Models*
([arXiv 2503.19355](https://arxiv.org/abs/2503.19355)). It has {parameters} parameters and is LLaVA-OneVision by its
architecture.

{tracks}

## Use

With the package (`pip install st-vlm`):

```python
{with_package}
```

Without it, by the code that lies beside the weights (`pip install transformers torch torchvision pillow av`); read it
before you trust it:

```python
{without_package}
```

{inputs}

## How it was trained

{training}

## Limits

Answers are estimates: marks that are wrong, long gaps between frames and kinds of scenes that the training data lacks
make them worse. Do not use them where somebody may come to harm.

## Licence

The weights: {licence}. Data that they were trained on may have terms of its own.
"""
_TRACKS = """\
The model takes **track tokens**: beside a mark's name in the prompt stands one embedding a frame, made of the mark's
box, its time and whatever is known of the camera (field of view, height, motion). So it need not guess the geometry
that pixels hide, and where a box or the camera is unknown a learned stand-in takes its place."""
_NO_TRACKS = """\
The model takes no track tokens, which would tell it the marks' boxes and the camera in numbers: it knows marks by the
boxes drawn into the frames alone. Its weights are LLaVA-OneVision's in kind, and
`model.save_pretrained_as_base(folder)` writes them as such."""
_BLIND = "It was made without a vision tower and sees no frames: marks, times and the camera are all that it is told."
_INPUTS = """\
A video is a path, a file's bytes, an array or a list of images; files are read every 0.5 s by their real timestamps.
{processor}`model.answer` also takes `timestamps` and, for track tokens, a `camera`."""
_PROCESSOR = """\
`AutoProcessor.from_pretrained("{name}"{more})` and `pipeline("image-text-to-text", …)` load in the same two ways;
"""

_SNIPPET = """\
{numpy}{package}from transformers import AutoModel

model = AutoModel.from_pretrained("{name}"{more})
{about}
boxes = [(20 + 12 * k, 100, 60 + 12 * k, 140) for k in range(10)]
marks = [{{"color": "red", "boxes": boxes}}]
{clip}
said = model.answer({asked})
print(said.text)"""
_FRAMES = """\
frames = np.zeros((10, 240, 320, 3), np.uint8)
for frame, (left, top, right, bottom) in zip(frames, boxes):
    frame[top:bottom, left:right] = 255"""
_QUESTION = '"How far does the object marked in red travel?", marks'


@dataclass(frozen=True)
class ModelFacts:
    """What a model's card tells.

    Attributes:
        name: Of the repository, `owner/name`.
        parameters: Their number.
        track_tokens, sees_video: As in the model's configuration.
        licence: Its fields in the header: `license`, and `license_name` for one the Hub does not know.
        base_model: Name on the Hub of the model it was tuned from.
        dataset: Name on the Hub of the data it was tuned on.
        training: What is known of the run: what -> value.
        revision: Branch that holds it, if not the main one.
    """

    name: str
    parameters: int
    track_tokens: bool
    sees_video: bool
    licence: Mapping[str, str]
    base_model: str | None = None
    dataset: str | None = None
    training: Mapping[str, object] = field(default_factory=dict)
    revision: str | None = None


def model_card(facts: ModelFacts) -> str:
    """The whole README, header included."""
    more = f', revision="{facts.revision}"' if facts.revision else ""
    tracks = _TRACKS if facts.track_tokens else _NO_TRACKS
    return f"---\n{yaml.safe_dump(_header(facts), sort_keys=False)}---\n" + _TEXT.format(
        title=facts.name.partition("/")[2],
        version=version("st-vlm"),
        parameters=_rounded(facts.parameters),
        tracks=tracks if facts.sees_video else f"{tracks} {_BLIND}",
        with_package=_snippet(facts, "import st_vlm\n", more),
        without_package=_snippet(facts, "", f"{more}, trust_remote_code=True"),
        inputs=_INPUTS.format(processor=_PROCESSOR.format(name=facts.name, more=more)),
        training=_training(facts),
        licence=facts.licence.get("license_name", facts.licence["license"]),
    )


def _header(facts: ModelFacts) -> dict:
    return {
        **facts.licence,
        "language": ["en"],
        "library_name": "transformers",
        "pipeline_tag": "video-text-to-text",
        **({"base_model": facts.base_model} if facts.base_model else {}),
        **({"datasets": [facts.dataset]} if facts.dataset else {}),
        "tags": ["spatio-temporal", "kinematics", "video", "custom_code"],
    }


def _snippet(facts: ModelFacts, package: str, more: str) -> str:
    seen = facts.sees_video
    return _SNIPPET.format(
        package=package,
        numpy="import numpy as np\n" if seen else "",
        name=facts.name,
        more=more,
        about=(
            "# ten frames, one every 0.5 s, of a bright square that moves to the right, and its boxes in pixels"
            if seen
            else "# boxes of an object in ten frames of 320 x 240 pixels, one every 0.5 s"
        ),
        clip=_FRAMES if seen else "times = [0.5 * k for k in range(10)]",
        asked=f"frames, {_QUESTION}"
        if seen
        else f'None, {_QUESTION}, timestamps=times, camera={{"size": (320, 240)}}',
    )


def _training(facts: ModelFacts) -> str:
    if not facts.training:
        return "Not noted in the model's folder."
    return "\n".join(["| | |", "|---|---|", *(f"| {what} | {value} |" for what, value in facts.training.items())])


def _rounded(number: int) -> str:
    """
    >>> _rounded(1_834_000), _rounded(8_030_000_000), _rounded(950)
    ('1.8 million', '8.0 billion', '950')
    """
    for size, word in ((1_000_000_000, "billion"), (1_000_000, "million")):
        if number >= size:
            return f"{number / size:.1f} {word}"
    return str(number)
