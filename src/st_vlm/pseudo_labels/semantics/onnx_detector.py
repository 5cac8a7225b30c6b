"""A detector in an ONNX file: which family it is of, and what it sees in an image."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np

from st_vlm.errors import InputError
from st_vlm.pseudo_labels.semantics import fastestdet, yolo
from st_vlm.pseudo_labels.semantics.coco_classes import COCO_NAMES, class_noun
from st_vlm.pseudo_labels.semantics.detections import Detections, inside_image, strongest

FASTESTDET, YOLO5, YOLO8 = "FastestDet", "YOLOv5", "YOLOv8"
# Numbers before the classes in each family's output.
_BEFORE_CLASSES = {FASTESTDET: 5, YOLO5: 5, YOLO8: 4}
# Of models that take any size, unless they are given another.
_USUAL_SIZE = (640, 640)
_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


class OnnxDetector:
    """A detector on the CPU.

    Args:
        path: The ONNX file.
        names: A text file with a class a line; None: the names that the file itself states, else COCO's.
        threads: How many of the machine's cores one image is worked on with.

    Attributes:
        family: `FastestDet`, `YOLOv5` or `YOLOv8`.
        size: Width and height of the images it takes.
        names: Its C classes as it names them.
        categories: The same as nouns.

    Raises:
        InputError: ONNX Runtime is not installed; a file is missing or none of these; a model of no known family,
            or of another number of classes than there are names.
    """

    def __init__(self, path: str | Path, names: str | Path | None = None, threads: int = 1) -> None:
        self.path = Path(path)
        self._session = _session(self.path, threads)
        [self._input, *others] = self._session.get_inputs()
        shape, kind = self._input.shape, self._input.type
        plain = not others and len(shape) == 4 and shape[1] == 3 and kind in _TYPES
        if not plain or (isinstance(shape[0], int) and shape[0] != 1):
            raise InputError(
                f"{self.path} takes {[(part.shape, part.type) for part in self._session.get_inputs()]}; a detector "
                "must take one image (1, 3, height, width) of floating-point numbers. Export it so."
            )
        self._type = _TYPES[kind]
        given = shape[3], shape[2]
        self.size = tuple(
            side if isinstance(side, int) else usual for side, usual in zip(given, _USUAL_SIZE, strict=True)
        )
        self.family = self._recognised()
        self.names = self._named(names)
        self.categories = np.array([class_noun(name) for name in self.names], dtype=object)

    def detect(self, image: np.ndarray, least_score: float, kept: np.ndarray | None = None) -> Detections:
        """What an image shows, a box an object.

        Args:
            image: (H, W, 3) uint8 RGB of any size.
            least_score: Boxes with a lower score are left out.
            kept: (C,) bool, the classes to look for; None: all.
        """
        height, width = image.shape[:2]
        if self.family == FASTESTDET:
            boxes, scores, classes = fastestdet.decoded(self._run(fastestdet.prepared(image, self.size)))
            boxes = boxes * [width, height, width, height]
        else:
            batch, letterbox = yolo.prepared(image, self.size)
            decode = yolo.decoded5 if self.family == YOLO5 else yolo.decoded8
            boxes, scores, classes = decode(self._run(batch))
            boxes = yolo.placed_back(boxes, letterbox)
        boxes, good = inside_image(boxes, (width, height))
        good &= scores >= least_score  # NaN is less than anything
        if kept is not None:
            good &= kept[classes]
        found = Detections(boxes[good], scores[good], self.categories[classes[good]])
        return found.only(strongest(found))

    def _run(self, batch: np.ndarray) -> np.ndarray:
        return self._session.run(None, {self._input.name: batch.astype(self._type, copy=False)})[0]

    def _recognised(self) -> str:
        # Files may leave shapes open: only a run tells them.
        grey = np.full((1, 3, self.size[1], self.size[0]), 0.45, self._type)
        try:
            outputs = self._session.run(None, {self._input.name: grey})
        except Exception as error:
            raise InputError(f"{self.path} does not run on an image of {self.size} ({_first_line(error)}).") from None
        output, shape = np.asarray(outputs[0]), np.shape(outputs[0])
        grid = (self.size[1] // fastestdet.STRIDE, self.size[0] // fastestdet.STRIDE)
        family = None
        if len(shape) == 4 and shape[0] == 1 and shape[1] > 5 and shape[2:] == grid:
            family = FASTESTDET
        elif shape[:1] == (1,) and yolo.is_yolo5(shape, self.size):
            family = YOLO5
        elif shape[:1] == (1,) and yolo.is_yolo8(shape, self.size):
            family = YOLO8
        if family is None:
            raise InputError(
                f"{self.path} gives outputs of shapes {[np.shape(each) for each in outputs]} for an input of shape "
                f"{grey.shape}. Known are FastestDet, (1, 5 + classes, height / 16, width / 16), and YOLO exported "
                "without suppression of boxes: (1, boxes, 5 + classes) of version 5, (1, 4 + classes, boxes) of "
                "version 8 and later. Export the model so."
            )
        certain = output[..., 4:] if family == YOLO5 else output[:, 5 if family == FASTESTDET else 4 :]
        if not (certain.min() > -0.01 and certain.max() < 1.01):
            raise InputError(f"{self.path}: its scores are no numbers from 0 to 1. Export it with its last sigmoid.")
        self._classes = (shape[2] if family == YOLO5 else shape[1]) - _BEFORE_CLASSES[family]
        return family

    def _named(self, path: str | Path | None) -> tuple[str, ...]:
        if path is not None:
            try:
                lines = Path(str(path)).read_text(encoding="utf-8").splitlines()
            except (OSError, UnicodeDecodeError) as error:
                raise InputError(f"The names of classes in {path} cannot be read ({error}).") from None
            names, where = [line.strip() for line in lines if line.strip()], str(path)
        else:
            names, where = self._stated_names() or list(COCO_NAMES), "COCO"
        if len(names) != self._classes:
            raise InputError(
                f"{self.path} tells {self._classes} classes apart, but {where} names {len(names)}. Give a text file "
                "with the names of its classes, one a line."
            )
        return tuple(names)

    def _stated_names(self) -> list[str]:
        """Names as exports of YOLO hold them in the file: a dictionary or a list, as Python writes it."""
        try:
            value = ast.literal_eval(self._session.get_modelmeta().custom_metadata_map["names"])
            return [str(value[k]) for k in range(len(value))]
        except (KeyError, IndexError, TypeError, ValueError, SyntaxError, RecursionError, MemoryError):
            return []


def _session(path: Path, threads: int):
    try:
        import onnxruntime
    except ImportError:
        raise InputError(
            'A detector in an ONNX file needs ONNX Runtime, which is not installed: pip install "st-vlm[pseudo]".'
        ) from None
    if not path.is_file():
        raise InputError(f"There is no detector at {path}. Give the path of an ONNX file.")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        # Its errors have no base of their own.
        raise InputError(f"{path} cannot be read as an ONNX model ({_first_line(error)}). Export it again.") from None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
