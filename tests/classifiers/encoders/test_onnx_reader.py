"""Weights out of an ONNX file, and what is none."""

import numpy as np
import pytest

from colorizer.classifiers.encoders import onnx_reader
from colorizer.errors import ClassifierError


def field(number: int, value: bytes | int) -> bytes:
    """One field of a protocol buffer: a number or bytes, each shorter than 128."""
    if isinstance(value, int):
        return bytes([number << 3, value])
    assert len(value) < 128
    return bytes([number << 3 | 2, len(value)]) + value


def tensor(name: str, array: np.ndarray, kind: int, packed: bool = False) -> bytes:
    dims = field(1, bytes(array.shape)) if packed else b"".join(field(1, n) for n in array.shape)
    return dims + field(2, kind) + field(8, name.encode()) + field(9, array.tobytes())


def model(*parts: bytes) -> bytes:
    return field(1, 8) + field(7, b"".join(parts))


MATRIX = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.mark.parametrize("packed", [False, True])
def test_weights_and_operations_are_read(tmp_path, packed):
    node = field(1, b"x") + field(1, b"w") + field(2, b"y") + field(3, b"/a/MatMul") + field(4, b"MatMul")
    (tmp_path / "a.onnx").write_bytes(model(field(1, node), field(5, tensor("w", MATRIX, 1, packed))))
    graph = onnx_reader.read(tmp_path / "a.onnx")
    assert graph.nodes == [onnx_reader.Node("MatMul", "/a/MatMul", ("x", "w"))]
    np.testing.assert_array_equal(graph.weights["w"], MATRIX)


def test_it_reads_what_the_onnx_package_writes(tmp_path):
    onnx = pytest.importorskip("onnx", reason="pip install onnx")
    weight = onnx.numpy_helper.from_array(MATRIX.astype(np.float64), "w")
    node = onnx.helper.make_node("MatMul", ["x", "w"], ["y"], name="product")
    x, y = (onnx.helper.make_tensor_value_info(n, onnx.TensorProto.DOUBLE, None) for n in "xy")
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph([node], "g", [x], [y], [weight])), tmp_path / "a.onnx")
    graph = onnx_reader.read(tmp_path / "a.onnx")
    assert graph.nodes[0].inputs == ("x", "w")
    np.testing.assert_array_equal(graph.weights["w"], MATRIX)
    assert graph.weights["w"].dtype == np.float64


@pytest.mark.parametrize(
    "data",
    [b"", b"no model", model(field(5, tensor("w", MATRIX, 1)))[:-5], model(field(5, tensor("w", MATRIX, 99)))],
    ids=["empty", "text", "cut short", "unknown type"],
)
def test_what_is_no_such_file_is_refused(tmp_path, data):
    (tmp_path / "a.onnx").write_bytes(data)
    with pytest.raises(ClassifierError, match="cannot be read. Received: .*a.onnx.*Give an ONNX file"):
        onnx_reader.read(tmp_path / "a.onnx")


def test_a_file_that_is_absent_is_named(tmp_path):
    with pytest.raises(ClassifierError, match="nowhere.onnx"):
        onnx_reader.read(tmp_path / "nowhere.onnx")
