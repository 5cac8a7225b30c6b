"""Who is one object, who two, and who none: squares of known places."""

import numpy as np

from st_vlm.pseudo_labels.clip import Clip
from st_vlm.pseudo_labels.segments import decode_mask, encode_mask
from st_vlm.pseudo_labels.semantics.mask_following import FollowedObject, without_specks
from st_vlm.pseudo_labels.semantics.merging import confirmed, merge, segments_of, set_apart

SIZE = (80, 40)
CLIP = Clip("c", "v.mp4", tuple(range(10)), tuple(k * 500_000_000 for k in range(10)), (160, 80), 0, 9)


def square(x, y=10, side=20, width=None):
    mask = np.zeros(SIZE[::-1], bool)
    mask[y : y + side, x : x + (width or side)] = True
    return encode_mask(mask)


def followed(places, category="car", score=0.8, presence=0.9, **shape):
    """An object whose square is at these x; asked about and answered in its first image."""
    first = min(places)
    return FollowedObject(
        first,
        {image: square(x, **shape) for image, x in places.items()},
        dict.fromkeys(places, presence),
        {first},
        {first: (category, score)},
    )


def test_one_thing_seen_by_two_texts_is_one_object():
    car = followed({k: 10 + k for k in range(8)}, "car", 0.6)
    truck = followed({k: 11 + k for k in range(8)}, "truck", 0.7)
    [one] = merge([car, truck], SIZE)
    assert one.category == "truck"
    assert one.masks == truck.masks


def test_classes_that_are_never_taken_for_each_other():
    # A rider covers most of the bicycle: two things, unless the masks are the same.
    rider, bicycle = followed({k: 10 for k in range(8)}, "person"), followed({k: 16 for k in range(8)}, "bicycle")
    assert len(merge([rider, bicycle], SIZE)) == 2
    bicycle = followed({k: 11 for k in range(8)}, "bicycle")
    assert len(merge([rider, bicycle], SIZE)) == 1


def test_a_part_belongs_to_what_holds_it():
    whole, part = followed({k: 10 for k in range(8)}), followed({k: 12 for k in range(8)}, side=9)
    assert len(merge([whole, part], SIZE)) == 1
    # A driver is no part of the car.
    driver = followed({k: 12 for k in range(8)}, "person", side=9)
    assert len(merge([whole, driver], SIZE)) == 2


def test_one_thing_begun_twice_is_one_object_in_all_images():
    early = followed({k: 10 + k for k in range(5)}, score=0.9)
    late = followed({k: 10 + k for k in range(3, 10)}, score=0.5)
    [one] = merge([late, early], SIZE)
    assert sorted(one.masks) == list(range(10))
    assert one.start == 0
    assert one.answers == {0: ("car", 0.9), 3: ("car", 0.5)}


def test_who_passes_another_stays_another():
    one = followed({k: 5 * k for k in range(10)})
    other = followed({k: 45 - 5 * k for k in range(10)})
    assert len(merge([one, other], SIZE)) == 2


def test_who_is_never_seen_together_stays_two():
    one, other = followed({0: 10, 1: 10}), followed({5: 10, 6: 10})
    assert len(merge([one, other], SIZE)) == 2


def test_of_two_masks_on_each_other_the_more_certain_stays():
    steady = followed({k: 10 for k in range(10)}, score=0.8)
    # Lost behind the other from image 6 on, the tracker goes on with that one.
    lost = followed({k: 50 - 8 * k if k < 5 else 10 for k in range(10)}, score=0.8, presence=0.7)
    kept, cut = set_apart([steady, lost], SIZE)
    assert sorted(kept.masks) == list(range(10))
    assert sorted(cut.masks) == [0, 1, 2, 3, 4]
    assert sorted(lost.masks) == list(range(10))


def test_what_the_detector_does_not_see_again_is_nothing():
    real, ghost = followed({k: 10 for k in range(10)}), followed({k: 50 for k in range(10)})
    for each in (real, ghost):
        each.asked |= {0, 4, 8}
    real.answers[4] = real.answers[0]
    assert confirmed([real, ghost]) == [real]
    # Who was seen when it was looked for once only may be anything, and stays.
    assert len(confirmed([followed({k: 30 for k in range(3)})])) == 1


def test_segments_count_in_the_clip_s_pixels():
    weak, strong = followed({2: 10, 4: 12, 6: 60}, score=0.5), followed({2: 40, 4: 40}, "bus", presence=0.5)
    brief = followed({2: 5})
    segments = segments_of([weak, strong, brief], [2, 3, 4, 6], CLIP, SIZE, "x", "MIT")
    assert segments.categories == ("bus", "car")
    np.testing.assert_array_equal(segments.seen, [[1, 0, 1, 0], [1, 0, 1, 1]])
    np.testing.assert_allclose(segments.boxes[1, 0], [20, 20, 60, 60])
    np.testing.assert_allclose(segments.scores[0, 0], 0.8 * 0.5)
    assert segments.masks[1, 3] == square(60)
    assert (segments.size, segments.mask_size) == ((160, 80), SIZE)


def test_nothing_becomes_no_segments():
    segments = segments_of(set_apart(confirmed(merge([], SIZE)), SIZE), [0, 1], CLIP, SIZE, "x", "MIT")
    assert segments.boxes.shape == (0, 2, 4)


def test_specks_are_no_part_of_a_mask():
    mask = decode_mask(square(10), SIZE)
    mask[0, 70:73] = True
    np.testing.assert_array_equal(without_specks(mask), decode_mask(square(10), SIZE))
    # Half of a thing behind a pole is still a half.
    mask = decode_mask(square(10), SIZE) | decode_mask(square(40, width=8), SIZE)
    np.testing.assert_array_equal(without_specks(mask), mask)
    few = np.zeros(SIZE[::-1], bool)
    few[3, 3:9] = True
    assert not without_specks(few).any()
    assert not without_specks(np.zeros(SIZE[::-1], bool)).any()
