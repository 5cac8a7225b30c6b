"""ONNX files made by hand, since nothing that the package needs can write them: nodes, tensors, inputs and outputs.

Fields and their numbers are those of the format's `onnx.proto`; every message is a series of (number, content).
"""

import numpy as np

_FLOAT, _INT64 = 1, 7
_INTS, _INT = 7, 2


def model(nodes, tensors, inputs, outputs, metadata=()):
    """The bytes of a model.

    Args:
        nodes: (operator, names of inputs, names of outputs, {attribute: int or list of ints}).
        tensors: Names to float32 or int64 arrays.
        inputs, outputs: Names to shapes; a side that is text is left open.
        metadata: Pairs of texts.
    """
    graph = [(1, _node(*node)) for node in nodes]
    graph += [(2, b"g"), *((5, _tensor(name, value)) for name, value in tensors.items())]
    graph += [(11, _value(name, shape)) for name, shape in inputs.items()]
    graph += [(12, _value(name, shape)) for name, shape in outputs.items()]
    about = [(14, _message((1, key.encode()), (2, value.encode()))) for key, value in metadata]
    return _message((1, 8), (7, _message(*graph)), (8, _message((1, b""), (2, 13))), *about)


def _node(operator, inputs, outputs, attributes):
    parts = [(1, name.encode()) for name in inputs] + [(2, name.encode()) for name in outputs]
    for name, value in attributes.items():
        single = isinstance(value, int)
        values = [(3, value)] if single else [(8, item) for item in value]
        parts.append((5, _message((1, name.encode()), *values, (20, _INT if single else _INTS))))
    return _message(*parts, (4, operator.encode()))


def _tensor(name, value):
    kind = _FLOAT if value.dtype == np.float32 else _INT64
    return _message(*((1, side) for side in value.shape), (2, kind), (8, name.encode()), (9, value.tobytes()))


def _value(name, shape):
    sides = [(1, _message((1, side) if isinstance(side, int) else (2, side.encode()))) for side in shape]
    tensor = _message((1, _FLOAT), (2, _message(*sides)))
    return _message((1, name.encode()), (2, _message((1, tensor))))


def _message(*parts):
    result = b""
    for number, content in parts:
        if isinstance(content, int):
            result += _varint(number << 3) + _varint(content)
        else:
            result += _varint(number << 3 | 2) + _varint(len(content)) + content
    return result


def _varint(value):
    result = b""
    while value > 127:
        result += bytes([value & 127 | 128])
        value >>= 7
    return result + bytes([value])
