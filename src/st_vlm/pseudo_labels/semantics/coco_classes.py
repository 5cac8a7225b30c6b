"""The 80 classes of COCO: which of them move, which are easily taken for each other, and what we call them."""

from __future__ import annotations

from st_vlm.recordings.categories import is_person, noun

# In the order in which detectors number them (Lin et al. 2014, without the classes that no box was drawn for).
# fmt: off
COCO_NAMES = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light",
    "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow",
    "elephant", "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee",
    "skis", "snowboard", "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard",
    "tennis racket", "bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple",
    "sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch",
    "potted plant", "bed", "dining table", "toilet", "tv", "laptop", "mouse", "remote", "keyboard", "cell phone",
    "microwave", "oven", "toaster", "sink", "refrigerator", "book", "clock", "vase", "scissors", "teddy bear",
    "hair drier", "toothbrush",
)
# fmt: on
_ANIMALS = ("bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe")
MOVING = frozenset(("person", "bicycle", "car", "motorcycle", "bus", "train", "truck", "sports ball", *_ANIMALS))
# Lists of names older than COCO's own, as VOC had them.
_OTHER_NAMES = {
    "motorbike": "motorcycle",
    "aeroplane": "airplane",
    "sofa": "couch",
    "pottedplant": "potted plant",
    "diningtable": "dining table",
    "tvmonitor": "tv",
}
# A detector may call one thing now this and now that, but only within a group.
_GROUPS = {
    **dict.fromkeys(("car", "truck", "bus", "train", "van", "trailer", "vehicle", "large vehicle"), "vehicle"),
    **dict.fromkeys(("bicycle", "motorcycle", "cyclist", "motorcyclist", "rider"), "two-wheeler"),
    **dict.fromkeys(_ANIMALS, "animal"),
}


def class_noun(name: str) -> str:
    """What we call a class of a detector or of a file: `motorbike` is a "motorcycle", `vehicle.car` a "car"."""
    name = " ".join(name.split())
    return noun(_OTHER_NAMES.get(name.lower(), name))


def group_of(category: str) -> str:
    """The group of nouns within which a detector may change its mind about one object."""
    return "person" if is_person(category) else _GROUPS.get(category, category)


def moves(category: str) -> bool:
    """Whether things of a class move by themselves or are played with; of classes that COCO lacks, all may."""
    return category in MOVING or category not in COCO_NAMES
