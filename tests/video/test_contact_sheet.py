"""The picture of clips."""

import numpy as np

from st_vlm.video.contact_sheet import FRAME_WIDTH, Panel, contact_sheet


def panel(level, frames=2, lines=("a question",)):
    return Panel(np.full((frames, 60, 120, 3), level, np.uint8), ["0.00 s"] * frames, lines)


def test_every_frame_of_every_panel_is_there():
    sheet = np.asarray(contact_sheet([panel(100, frames=3), panel(200)]))
    assert 3 * FRAME_WIDTH < sheet.shape[1] < 3.2 * FRAME_WIDTH
    area = FRAME_WIDTH * FRAME_WIDTH // 2
    assert abs((sheet == 100).all(-1).sum() / area - 3) < 0.05
    assert abs((sheet == 200).all(-1).sum() / area - 2) < 0.05


def test_long_lines_are_wrapped_not_cut():
    short, long = (contact_sheet([panel(100, lines=[line])]).height for line in ("word", "word " * 200))
    assert long > short + 100
