"""Checkpoints as PyTorch before 1.6 wrote them, made without PyTorch."""

import pickle
import sys

import numpy as np
import pytest

SMALL = (0.25, 0.3, 64)  # width, depth, side of the input


class Function:
    """A function of PyTorch, as a pickle names it."""

    def __init__(self, module, name):
        self.__module__, self.__qualname__ = module, name

    def __call__(self, *arguments):
        raise AssertionError("nothing calls it")

    def __reduce__(self):
        return self.__qualname__


class Pickler(pickle.Pickler):
    """Writes tensors as PyTorch before 1.6: views of storages that stand behind the pickles."""

    def reducer_override(self, value):
        if isinstance(value, np.ndarray):
            strides = tuple(stride // value.itemsize for stride in value.strides)
            storage = Storage(value.dtype.str, id(value), value.size)
            return sys.modules["torch._utils"]._rebuild_tensor_v2, (storage, 0, value.shape, strides, False, None)
        return NotImplemented

    def persistent_id(self, value):
        if isinstance(value, Storage):
            kind = {"<f4": "FloatStorage", "<i8": "LongStorage"}[value.dtype]
            return ("storage", getattr(sys.modules["torch"], kind), str(value.key), "cpu", value.length, None)
        return None


class Storage:
    """The numbers of a tensor, which stand behind the pickles."""

    def __init__(self, dtype, key, length):
        self.dtype, self.key, self.length = dtype, key, length


@pytest.fixture
def fake_torch(monkeypatch):
    """Modules that look enough like PyTorch for pickle to write its names."""
    torch, utils = type(sys)("torch"), type(sys)("torch._utils")
    for module, name in ((utils, "_rebuild_tensor_v2"), (torch, "FloatStorage"), (torch, "LongStorage")):
        monkeypatch.setattr(module, name, Function(module.__name__, name), raising=False)
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)


def write_checkpoint(path, arrays):
    """A `.pth` file of PyTorch's old format."""
    from colorizer.classifiers.conversion import pytorch_checkpoint

    with open(path, "wb") as file:
        for value in (pytorch_checkpoint.MAGIC, pytorch_checkpoint.PROTOCOL, {"little_endian": True}):
            pickle.dump(value, file, protocol=2)
        Pickler(file, protocol=2).dump(arrays)
        pickle.dump([str(id(array)) for array in arrays.values()], file, protocol=2)
        for array in arrays.values():
            file.write(array.size.to_bytes(8, "little"))
            file.write(array.ravel(order="K").tobytes())
    return path.read_bytes()


def checkpoint_of(model):
    """A model's weights under the names and in the layout of the package efficientnet_lite_pytorch."""
    import keras

    from colorizer.classifiers.conversion import efficientnet_lite

    arrays = {}
    for layer in model.layers:
        name = efficientnet_lite._checkpoint_name(layer.name) if layer.weights else ""
        values = layer.get_weights()
        if isinstance(layer, keras.layers.BatchNormalization):
            keys = ("weight", "bias", "running_mean", "running_var")
            arrays |= {f"{name}.{key}": value for key, value in zip(keys, values, strict=True)}
            arrays[f"{name}.num_batches_tracked"] = np.array([7], np.int64)
        elif isinstance(layer, keras.layers.Dense):
            arrays |= {f"{name}.weight": values[0].T.copy(), f"{name}.bias": values[1]}
        elif values:
            depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
            arrays[f"{name}.weight"] = values[0].transpose((2, 3, 0, 1) if depthwise else (3, 2, 0, 1)).copy()
    return arrays


@pytest.fixture(scope="module")
def small_lite():
    """A small EfficientNet-Lite with random weights and statistics."""
    from colorizer.classifiers.conversion import efficientnet_lite

    model = efficientnet_lite.build("small", efficientnet_lite.Scaling(*SMALL))
    rng = np.random.default_rng(1)
    model.set_weights([np.abs(rng.normal(1, 0.3, w.shape)).astype(np.float32) for w in model.weights])
    return model
