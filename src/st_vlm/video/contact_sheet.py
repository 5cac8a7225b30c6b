"""A picture of clips: a row of frames each, with lines of text below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap

import numpy as np
from PIL import Image, ImageDraw, ImageFont

FRAME_WIDTH = 300
_GAP = 8
_FONT_SIZE = 15
_LINE_HEIGHT = 20
_WHITE, _BLACK = (255, 255, 255), (20, 20, 20)


@dataclass(frozen=True, eq=False)
class Panel:
    """One clip of the sheet.

    Attributes:
        frames: (F, H, W, 3) uint8, drawn side by side at equal width.
        captions: F short texts, one under each frame.
        lines: Text below the frames; long lines are wrapped.
    """

    frames: np.ndarray
    captions: Sequence[str]
    lines: Sequence[str]


def contact_sheet(panels: Sequence[Panel]) -> Image.Image:
    """The panels below each other on white; the width is that of the panel with most frames."""
    width = max(len(panel.frames) for panel in panels) * (FRAME_WIDTH + _GAP) + _GAP
    strips = [_strip(panel, width) for panel in panels]
    sheet = Image.new("RGB", (width, sum(strip.height for strip in strips)), _WHITE)
    top = 0
    for strip in strips:
        sheet.paste(strip, (0, top))
        top += strip.height
    return sheet


def _strip(panel: Panel, width: int) -> Image.Image:
    font = ImageFont.load_default(size=_FONT_SIZE)
    letters = int(width / font.getlength("n"))
    lines = [part for line in panel.lines for part in wrap(line, letters, subsequent_indent="    ")]
    frame_height = round(FRAME_WIDTH * panel.frames.shape[1] / panel.frames.shape[2])
    height = 3 * _GAP + frame_height + _LINE_HEIGHT * (1 + len(lines))
    strip = Image.new("RGB", (width, height), _WHITE)
    draw = ImageDraw.Draw(strip)
    for k, (frame, caption) in enumerate(zip(panel.frames, panel.captions, strict=True)):
        left = _GAP + k * (FRAME_WIDTH + _GAP)
        image = Image.fromarray(frame).resize((FRAME_WIDTH, frame_height), Image.Resampling.LANCZOS)
        strip.paste(image, (left, _GAP))
        draw.text((left, _GAP + frame_height), caption, font=font, fill=_BLACK)
    for k, line in enumerate(lines):
        draw.text((_GAP, _GAP + frame_height + _LINE_HEIGHT * (k + 1)), line, font=font, fill=_BLACK)
    return strip
