"""Reads the weights of a PyTorch checkpoint without PyTorch and without running what the file names.

A checkpoint of PyTorch before 1.6 is five pickles (magic number, protocol, system, weights, keys) and then the
bytes of each storage. The unpickler here knows four names and refuses every other.
"""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from typing import Any, NamedTuple

import numpy as np

from colorizer.errors import ClassifierError

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001


class _Storage(NamedTuple):
    """A run of numbers behind the pickles."""

    key: str
    dtype: np.dtype
    length: int


class _Tensor(NamedTuple):
    """A view of a storage."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def _tensor(storage, offset, shape, strides, *_) -> _Tensor:
    """Takes the place of PyTorch's function that builds a tensor."""
    return _Tensor(storage, int(offset), tuple(shape), tuple(strides))


_NAMES = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch", "FloatStorage"): np.dtype("<f4"),
    ("torch", "LongStorage"): np.dtype("<i8"),
}


class _Unpickler(pickle.Unpickler):
    """An unpickler that builds dictionaries, numbers, strings and `_Tensor`, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _NAMES:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which a file of weights does not need")
        return _NAMES[module, name]

    def persistent_load(self, pid) -> _Storage:
        kind, dtype, key, _, length, view = pid
        if kind != "storage" or not isinstance(dtype, np.dtype) or view is not None:
            raise pickle.UnpicklingError(f"it holds something other than storages: {kind}")
        return _Storage(str(key), dtype, int(length))


def read(data: bytes) -> dict[str, np.ndarray]:
    """Reads the weights of a checkpoint.

    Args:
        data: the bytes of a `.pth` file in PyTorch's format before 1.6, a dictionary of tensors.

    Returns:
        Name -> array, float32 or int64, in the file's order.

    Raises:
        ClassifierError: the file is damaged, of another format, or holds something other than weights.
    """
    stream = io.BytesIO(data)
    try:
        if [_Unpickler(stream).load(), _Unpickler(stream).load()] != [MAGIC, PROTOCOL]:
            raise pickle.UnpicklingError("it begins with other numbers than PyTorch's")
        _Unpickler(stream).load()  # byte order and sizes of the machine that wrote it; the format is little-endian
        tensors = _Unpickler(stream).load()
        keys = _Unpickler(stream).load()
        if not isinstance(tensors, dict) or not all(isinstance(tensor, _Tensor) for tensor in tensors.values()):
            raise pickle.UnpicklingError("it holds no dictionary of tensors")
        dtypes = {tensor.storage.key: tensor.storage.dtype for tensor in tensors.values()}
        storages = {key: _read_storage(stream, dtypes[key]) for key in keys}
        return {name: _array(tensor, storages[tensor.storage.key]) for name, tensor in tensors.items()}
    # A damaged pickle can raise almost any error.
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise ClassifierError(
            f"A checkpoint must be a file of weights that PyTorch before 1.6 wrote. "
            f"Received: {len(data):,} bytes; {type(error).__name__}: {error}"
        ) from error


def _read_storage(stream: io.BytesIO, dtype: np.dtype) -> np.ndarray:
    """The next storage: its length as int64, then its numbers."""
    length = int.from_bytes(stream.read(8), "little")
    content = stream.read(length * dtype.itemsize)
    if len(content) != length * dtype.itemsize:
        raise EOFError("it ends early")
    return np.frombuffer(content, dtype)


def _array(tensor: _Tensor, storage: np.ndarray) -> np.ndarray:
    """The numbers of a tensor, copied; its strides may be in any order, as those of a transposed one."""
    if min((*tensor.shape, *tensor.strides, tensor.offset), default=0) < 0 or len(tensor.shape) != len(tensor.strides):
        raise ValueError(f"a tensor has no shape: {tensor}")
    last = tensor.offset + sum((n - 1) * stride for n, stride in zip(tensor.shape, tensor.strides, strict=True))
    if 0 not in tensor.shape and last >= len(storage):
        raise ValueError(f"a tensor is not inside its storage: {tensor}")
    strides = [stride * storage.itemsize for stride in tensor.strides]
    return np.lib.stride_tricks.as_strided(storage[tensor.offset :], tensor.shape, strides).copy()
