"""Weights out of an ONNX file, with NumPy alone: the few protocol buffer fields that hold them.

ONNX files are protocol buffers. A message is a row of fields, each a number, a wire type and a value:

    ModelProto.graph 7 -> GraphProto.node 1, .initializer 5
    NodeProto.input 1, .name 3, .op_type 4        TensorProto.dims 1, .data_type 2, .float_data 4, .name 8, .raw_data 9

The format is public: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from colorizer.errors import ClassifierError

# ONNX's numbers of the data types that weights have.
_TYPES = {1: np.float32, 6: np.int32, 7: np.int64, 10: np.float16, 11: np.float64}
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class Node(NamedTuple):
    """One operation of a graph: its kind, its name and the names of what goes in."""

    op_type: str
    name: str
    inputs: tuple[str, ...]


class Graph(NamedTuple):
    """What `read` finds.

    Attributes:
        nodes: the operations, in the file's order.
        weights: name -> array.
    """

    nodes: list[Node]
    weights: dict[str, np.ndarray]


def read(path: str | Path) -> Graph:
    """Reads the operations and the weights of an ONNX file.

    Args:
        path: the file. Weights in other files beside it are not supported.

    Returns:
        A `Graph`.

    Raises:
        ClassifierError: the file is absent or is no such file.
    """
    try:
        data = memoryview(Path(path).read_bytes())
        graphs = [value for field, value in _fields(data) if field == 7]
        if not graphs:
            raise ValueError("it has no graph")
        nodes, weights = [], {}
        for field, value in _fields(graphs[0]):
            if field == 1:
                nodes.append(_node(value))
            elif field == 5:
                name, array = _tensor(value)
                weights[name] = array
    except (OSError, ValueError, IndexError, KeyError) as error:
        raise ClassifierError(f"The weights cannot be read. Received: {path} ({error}). Give an ONNX file.") from error
    return Graph(nodes, weights)


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """(number, value) of every field of a message; bytes and packed numbers as they are."""
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        field, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, place = _varint(data, place)
        elif wire in (_FIXED64, _FIXED32, _BYTES):
            size, place = _varint(data, place) if wire == _BYTES else (8 if wire == _FIXED64 else 4, place)
            if place + size > len(data):
                raise ValueError("it ends early")
            value, place = data[place : place + size], place + size
        else:
            raise ValueError(f"it has a field of the unknown wire type {wire}")
        yield field, value


def _varint(data: memoryview, place: int) -> tuple[int, int]:
    """A number of seven bits a byte, the lowest first, and the place behind it."""
    value = shift = 0
    while True:
        byte = data[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place


def _node(data: memoryview) -> Node:
    values = list(_fields(data))

    def text(number):
        return [bytes(value).decode() for field, value in values if field == number]

    return Node("".join(text(4)), "".join(text(3)), tuple(text(1)))


def _tensor(data: memoryview) -> tuple[str, np.ndarray]:
    name, kind, dims, raw = "", 0, [], b""
    for field, value in _fields(data):
        if field == 1:
            dims += [value] if isinstance(value, int) else _packed(value)
        elif field == 2:
            kind = value
        elif field == 8:
            name = bytes(value).decode()
        elif field in (4, 9):
            raw = value
    if kind not in _TYPES:
        raise ValueError(f"the weight {name} has the unknown data type {kind}")
    return name, np.frombuffer(raw, np.dtype(_TYPES[kind]).newbyteorder("<")).reshape(dims)


def _packed(data: memoryview) -> list[int]:
    numbers, place = [], 0
    while place < len(data):
        number, place = _varint(data, place)
        numbers.append(number)
    return numbers
