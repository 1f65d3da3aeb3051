"""Makes `network.onnx`, the file of the light engine, beside a weights file; see `colorizer.inference.engine`.

    l_norm --> network --> for each look: Method.coarse_of --> an output with the look's name
                 |  +----> the logits, and the encoder's features: for hints and other looks

What follows, enlargement and smoothing, depends on the picture's size; the engine does it outside of the graph. A
method without `smoothing` has its whole `ab_of` inside, for one size.

The graph holds no kernel: ONNX' external data points into the weights file, which HDF5 keeps in one piece for each
array. So both engines compute with the same numbers, and the weights are in the package once.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import keras
import numpy as np

from colorizer import color, environment, weights
from colorizer.config import CLASSES
from colorizer.errors import ExportError
from colorizer.export import convert, graph
from colorizer.inference import engine, forward
from colorizer.methods.layers.bins import STRIDE

if TYPE_CHECKING:
    import onnx

    from colorizer.methods import Method

LEAST = 1024  # numbers; smaller arrays are written into the graph itself
SHARE = 0.999  # of pixels whose levels differ by at most one from Keras'
OTHER_SIZE = (32, 64)  # added to a network's height and width to try whether its graph takes any size


class Coarse(keras.layers.Layer):
    """A method's decoding for one look, as far as it is part of the graph.

    Args:
        method: of the network.
        look: one of its looks, or None.
    """

    def __init__(self, method: Method, look: str | None):
        super().__init__(name=look or "ab_norm_hat")
        self.method, self.look = method, look

    def call(self, output, l_norm):
        """The network's output and (B, H, W, 1) -> (B, h, w, 2 or 3) float32: ab/128, and the weight of `coarse_of`."""
        if self.method.smoothing is None:
            return self.method.ab_of(output, l_norm, self.look)
        return self.method.coarse_of(output, self.look)


class DifferentError(ExportError):
    """The pictures of the new file are not Keras'."""

    exit_status = 1


def write(named: str | Path, pictures: Sequence[np.ndarray]) -> dict[str, float]:
    """Makes and checks `network.onnx` beside a weights file; an existing one is replaced if the new one is good.

    Args:
        named: what `weights.load` takes, of a method without a class vector.
        pictures: of each (H, W, 3) uint8 sRGB, to compare on.

    Returns:
        `agreement` with Keras.

    Raises:
        ExportError: the pictures differ from Keras'.
        WeightsError: see `weights.load`.
    """
    trained = weights.load(named)
    target = trained.path.parent / engine.FILE
    part = target.with_name(f"unchecked-{os.getpid()}.onnx")  # beside the weights, which it reads
    try:
        part.write_bytes(_model_of(trained, part).SerializeToString(deterministic=True))
        network = engine.OnnxNetwork(part)
        shares = agreement(trained, network, pictures)
        if not min(shares.values()) >= SHARE:
            received = ", ".join(f"{look} {share:.4%}" for look, share in shares.items())
            raise DifferentError(
                f"At least {SHARE:.1%} of the pixels must be within a level of Keras' picture. Received: {received}"
            )
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)
    return shares


def agreement(
    trained: weights.Trained, network: engine.OnnxNetwork, pictures: Sequence[np.ndarray]
) -> dict[str, float]:
    """Compares pictures of the two engines.

    Args:
        trained: the network in Keras.
        network: the same in ONNX Runtime.
        pictures: of each (H, W, 3) uint8 sRGB.

    Returns:
        look -> share of pixels, all of whose levels are within one of Keras'; "ab_norm_hat" for a method without looks.
    """
    shares = {}
    for look in trained.method.looks or (None,):
        of_keras, of_onnx = (
            forward.Forward(one, trained.config["image_size"], look=look)
            for one in (engine.KerasNetwork(trained.network, trained.method), network)
        )
        equal = []
        for rgb in pictures:
            l = color.rgb_to_lab(rgb)[..., 0]
            one, other = (color.merge(l, way.ab_norm([rgb])[0]).astype(int) for way in (of_keras, of_onnx))
            equal.append((np.abs(one - other).max(axis=-1) <= 1).mean())
        shares[look or "ab_norm_hat"] = float(np.mean(equal))
    return shares


def _model_of(trained: weights.Trained, path: Path) -> onnx.ModelProto:
    """The graph of a trained network, for the place `path` beside its weights file."""
    side = trained.config["image_size"]
    network = trained.network
    if trained.method.any_shape:  # layers that know the size take it from the picture
        network = weights.load(trained.path, any_shape=True).network
    model = _converted(network, trained.method)
    _point_to_weights(model, trained.path)
    facts = {
        "method": trained.method.name,
        "looks": ",".join(trained.method.looks),
        "domain_transform": ",".join(map(str, trained.method.smoothing or ())),
        "weights_sha256": hashlib.sha256(trained.path.read_bytes()).hexdigest(),
    }
    for key, value in facts.items():
        model.metadata_props.add(key=key, value=value)
    _set_size(model, (None, None))
    if trained.method.smoothing is None or not _takes_any_size(model, trained, path):
        _set_size(model, (side, side))
    return model


def _converted(network: keras.Model, method: Method) -> onnx.ModelProto:
    """Network and decoding of every look in ONNX, by Keras' own exporter."""
    import onnx

    size = network.input_shape[0][1:3]
    l_norm = keras.Input((*size, 1), name=engine.INPUT)
    inputs = [l_norm]
    if method.takes_hints:
        inputs.append(keras.Input((*(side and side // STRIDE for side in size), 3), name=engine.HINTS))
        output = method.output_with(network, *inputs)
    else:
        output = network([l_norm, graph.NoClasses(name="no_classes")(l_norm)], training=False)
    outputs = {look or "ab_norm_hat": Coarse(method, look)(output, l_norm) for look in method.looks or (None,)}
    if method.smoothing is not None:
        if method.predicts_bins:
            outputs[engine.OUTPUT] = keras.layers.Identity(name=engine.OUTPUT)(output)
        outputs |= _features(network, method, l_norm)
    signature = [keras.InputSpec(shape=one.shape, dtype="float32", name=one.name) for one in inputs]
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the converters' own, about NumPy's and TensorFlow's future
        file = str(Path(folder) / "network.onnx")
        with environment.quiet():
            keras.Model(inputs, outputs).export(file, format="onnx", input_signature=[signature], verbose=False)
        model = onnx.load(file)
    convert.replace_erfc(model)
    names = {output.name for output in model.graph.output}
    if names != set(outputs):
        raise ExportError(f"The graph's outputs are the looks {', '.join(outputs)}. Received: {', '.join(names)}")
    return model


def _features(network: keras.Model, method: Method, l_norm) -> dict:
    """What the encoder sees: its map of tokens, as an output of the graph; none without an encoder."""
    encoder = method.encoder_of(network)
    return {} if encoder is None else {engine.FEATURES: keras.layers.Identity(name=engine.FEATURES)(encoder(l_norm))}


def _set_size(model: onnx.ModelProto, size: tuple[int | None, int | None]) -> None:
    """Writes the size of pictures that the graph takes; None for any."""
    pictures = next(one for one in model.graph.input if one.name == engine.INPUT)
    shape = pictures.type.tensor_type.shape.dim
    for dimension, name, value in zip(shape, ("batch", "height", "width"), (None, *size), strict=False):
        dimension.Clear()
        if value is None:
            dimension.dim_param = name
        else:
            dimension.dim_value = value
    for output in model.graph.output:
        for dimension, name in zip(output.type.tensor_type.shape.dim, ("batch", "rows", "columns"), strict=False):
            dimension.Clear()
            dimension.dim_param = name
    model.graph.ClearField("value_info")  # shapes between the layers, of one size


def _takes_any_size(model: onnx.ModelProto, trained: weights.Trained, path: Path) -> bool:
    """Whether the graph gives for another size what Keras gives for it."""
    side = trained.config["image_size"]
    size = tuple(side + more for more in OTHER_SIZE)
    try:
        if trained.method.any_shape:
            network = weights.load(trained.path, any_shape=True).network
        else:
            network = type(trained.network).from_config(_with_size(trained.network.get_config(), size))
            network.set_weights(trained.network.get_weights())
        l_norm = np.random.default_rng(0).uniform(-1, 1, (2, *size, 1)).astype(np.float32)
        expected = trained.method.predict_ab(network, l_norm, np.zeros((2, CLASSES), np.float32))
        path.write_bytes(model.SerializeToString())
        received = engine.OnnxNetwork(path).predict(l_norm)
    except Exception:  # a layer that knows its size, in Keras or in ONNX, each with an exception of its own
        return False
    return bool(np.abs(received - expected).max() < 1e-3)


def _with_size(config, size: tuple[int, int]):
    """A network's configuration with another height and width wherever a picture comes in."""
    if isinstance(config, dict):
        return {
            key: (value[0], *size, value[3]) if key == "batch_shape" and len(value) == 4 else _with_size(value, size)
            for key, value in config.items()
        }
    return type(config)(_with_size(item, size) for item in config) if isinstance(config, (list, tuple)) else config


@dataclass(frozen=True)
class Place:
    """Where an array lies in the weights file, and how it becomes the graph's.

    Attributes:
        dtype: of the file.
        shape: in the file.
        offset: of its first byte.
        axes: the order of its axes in the graph.
        scale: of whole numbers, one factor for each index of the last axis; None for floats.
    """

    dtype: np.dtype
    shape: tuple[int, ...]
    offset: int
    axes: tuple[int, ...]
    scale: np.ndarray | None


class _Key(NamedTuple):
    shape: tuple[int, ...]
    digest: bytes


def _key(values: np.ndarray) -> _Key:
    return _Key(values.shape, hashlib.sha256(np.ascontiguousarray(values, np.float32).tobytes()).digest())


def _places(path: Path) -> Iterator[tuple[_Key, Place]]:
    """Every kernel of a weights file in every order of its axes, with its shape and content as key."""
    import h5py

    if path.suffix != ".h5":
        return
    arrays = []
    with h5py.File(path) as file:
        file.visititems(lambda _, item: arrays.append(item) if isinstance(item, h5py.Dataset) else None)
        for array in arrays:
            if array.size < LEAST or array.id.get_offset() is None:  # in chunks, or empty
                continue
            scale = array.attrs.get(weights.SCALE)
            values = array[()].astype(np.float32) if scale is None else array[()] * np.float32(scale)
            for axes in itertools.permutations(range(array.ndim)):
                place = Place(array.dtype, array.shape, array.id.get_offset(), axes, scale)
                yield _key(values.transpose(axes)), place


def _point_to_weights(model: onnx.ModelProto, path: Path) -> None:
    """Replaces kernels in the graph by their places in the weights file; others are halved."""
    from onnx import numpy_helper

    places, nodes = dict(_places(path)), []
    for tensor in list(model.graph.initializer):
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < LEAST:
            continue
        model.graph.initializer.remove(tensor)
        place = places.get(_key(values))
        if place:
            stored = _stored_in(model.graph, tensor.name, place, path.name)
            _chain(nodes, stored, _steps(model.graph, tensor.name, place), tensor.name)
        else:
            _halve(model.graph, nodes, tensor.name, values)
    for node in reversed(nodes):
        model.graph.node.insert(0, node)


def _stored_in(graph_proto, name: str, place: Place, file: str) -> str:
    """Adds an array of the weights file to the graph; returns its name there."""
    from onnx import TensorProto, helper

    stored = TensorProto(
        name=f"{name}/stored", dims=place.shape, data_type=helper.np_dtype_to_tensor_dtype(place.dtype)
    )
    stored.data_location = TensorProto.EXTERNAL
    length = int(np.prod(place.shape)) * place.dtype.itemsize
    for key, value in (("location", file), ("offset", place.offset), ("length", length)):
        stored.external_data.add(key=key, value=str(value))
    graph_proto.initializer.append(stored)
    return stored.name


def _steps(graph_proto, name: str, place: Place) -> list:
    """The nodes that make an array of the network of what is stored.

    ONNX Runtime computes them once, when it loads the graph.
    """
    from onnx import TensorProto, numpy_helper

    steps = [("Transpose", [], {"perm": place.axes})]
    if place.scale is None:
        return [("Cast", [], {"to": TensorProto.FLOAT}), *steps]
    graph_proto.initializer.append(numpy_helper.from_array(np.float32(place.scale), f"{name}/scale"))
    moved = place.axes != tuple(range(len(place.axes)))
    return [("DequantizeLinear", [f"{name}/scale"], {"axis": len(place.axes) - 1}), *(steps if moved else [])]


def _halve(graph_proto, nodes: list, name: str, values: np.ndarray) -> None:
    """Adds an array that the weights file does not hold as it is, in half precision."""
    from onnx import TensorProto, numpy_helper

    if np.abs(values).max() >= np.finfo(np.float16).max:
        graph_proto.initializer.append(numpy_helper.from_array(values, name))
        return
    graph_proto.initializer.append(numpy_helper.from_array(values.astype(np.float16), f"{name}/stored"))
    _chain(nodes, f"{name}/stored", [("Cast", [], {"to": TensorProto.FLOAT})], name)


def _chain(nodes: list, given: str, steps: list, name: str) -> None:
    """Adds nodes one after the other; the last one's output is `name`."""
    from onnx import helper

    for index, (operator, others, attributes) in enumerate(steps):
        made = name if index == len(steps) - 1 else f"{name}/{operator}"
        nodes.append(helper.make_node(operator, [given, *others], [made], **attributes))
        given = made
