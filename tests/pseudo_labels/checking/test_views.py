"""Who checks an object sees it where it is largest, at several times of its life."""

import numpy as np

from st_vlm.pseudo_labels.checking.views import chosen_frames, cut_out


def test_the_largest_view_of_each_part_of_its_life():
    boxes = np.full((9, 4), np.nan)
    for t, side in ((1, 10), (2, 30), (3, 20), (5, 8), (7, 12), (8, 9)):
        boxes[t] = 0, 0, side, side
    assert chosen_frames(boxes, 2).tolist() == [2, 7]
    assert chosen_frames(boxes, 1).tolist() == [2]
    assert chosen_frames(boxes, 99).tolist() == [1, 2, 3, 5, 7, 8]
    assert chosen_frames(np.full((4, 4), np.nan), 3).tolist() == []


def test_an_object_is_cut_out_with_what_is_around_it():
    image = np.arange(100 * 200 * 3, dtype=np.uint32).reshape(100, 200, 3)
    np.testing.assert_array_equal(cut_out(image, np.array([40, 20, 80, 60])), image[10:70, 30:90])
    # At the border there is less around it.
    np.testing.assert_array_equal(cut_out(image, np.array([0, 0, 40, 40])), image[:50, :50])
    assert cut_out(image, np.array([198, 50, 200, 52])) is None
