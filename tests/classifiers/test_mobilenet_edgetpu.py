"""MobileNetEdgeTPU out of its public 8-bit file."""

import sys
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from colorizer.classifiers.conversion import mobilenet_edgetpu
from colorizer.classifiers.conversion.mobilenet_edgetpu import Convolution
from colorizer.errors import ClassifierError

PREFIX = "MobilenetEdgeTPU"


class Interpreter:
    """A TensorFlow Lite file with a stem and a depthwise convolution, quantized."""

    def __init__(self, model_path):
        if "text" in model_path:
            raise ValueError("Model provided has model identifier 'text', should be 'TFL3'")
        rng = np.random.default_rng(0)
        self.tensors = {
            5: (f"{PREFIX}/Conv/weights_quant/FakeQuant", rng.integers(0, 256, (8, 3, 3, 3), np.uint8), (0.5, 130)),
            2: (f"{PREFIX}/Conv/BatchNorm_Fold/bias", rng.integers(-99, 99, 8, np.int32), (0.25, 0)),
            9: (
                f"{PREFIX}/expanded_conv_9/depthwise/weights_quant/FakeQuant",
                rng.integers(0, 256, (1, 5, 5, 8), np.uint8),
                (0.1, 7),
            ),
            3: (f"{PREFIX}/expanded_conv_9/depthwise/bias", rng.integers(-99, 99, 8, np.int32), (2.0, 0)),
            1: (f"{PREFIX}/Predictions/Reshape/shape", np.array([1, 1001], np.int32), (0.0, 0)),
        }

    def get_tensor_details(self):
        return [
            {"index": index, "name": name, "dtype": values.dtype.type, "quantization": quantization}
            for index, (name, values, quantization) in self.tensors.items()
        ]

    def get_tensor(self, index):
        return self.tensors[index][1]


@pytest.fixture
def litert(monkeypatch):
    module = SimpleNamespace(Interpreter=Interpreter)
    monkeypatch.setitem(sys.modules, "ai_edge_litert", SimpleNamespace(interpreter=module))
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", module)


def test_kernels_and_biases_are_dequantized_in_keras_layout(litert):
    stem, depthwise = mobilenet_edgetpu.read("a.tflite")
    tensors = Interpreter("a.tflite").tensors
    assert (stem.block, stem.depthwise, depthwise.block, depthwise.depthwise) == (None, False, 9, True)
    assert stem.kernel.shape == (3, 3, 3, 8) and depthwise.kernel.shape == (5, 5, 8, 1)
    assert stem.kernel[1, 2, 0, 7] == (int(tensors[5][1][7, 1, 2, 0]) - 130) * 0.5
    assert depthwise.kernel[4, 0, 3, 0] == pytest.approx((int(tensors[9][1][0, 4, 0, 3]) - 7) * 0.1)
    np.testing.assert_array_equal(stem.bias, tensors[2][1] * np.float32(0.25))
    np.testing.assert_array_equal(depthwise.bias, tensors[3][1] * np.float32(2))


def test_what_is_no_such_file_is_refused(litert, monkeypatch):
    with pytest.raises(ClassifierError, match=r"--tflite must name.*text\.tflite"):
        mobilenet_edgetpu.read("text.tflite")
    monkeypatch.setattr(Interpreter, "get_tensor_details", lambda self: [])
    with pytest.raises(ClassifierError, match="0 kernels and 0 biases"):
        mobilenet_edgetpu.read("a.tflite")
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(ClassifierError, match="pip install ai-edge-litert"):
        mobilenet_edgetpu.read("a.tflite")


@pytest.mark.data
def test_the_network_is_that_of_the_recorded_runs(real_classifier):
    recorded = keras.saving.load_model(real_classifier, compile=False)
    layers = [layer for layer in recorded.layers if layer.weights]
    # A stem, a block of one convolution, eight of two, thirteen of three, a head and the classes.
    blocks = [None, 0, *(b for b in range(1, 9) for _ in range(2)), *(b for b in range(9, 22) for _ in range(3))]
    convolutions = [
        Convolution(block, isinstance(layer, keras.layers.DepthwiseConv2D), *layer.get_weights())
        for block, layer in zip([*blocks, None, None], layers, strict=True)
    ]
    built = mobilenet_edgetpu.build(convolutions)
    assert built.count_params() == recorded.count_params() == 4_073_273
    picture = np.random.default_rng(0).uniform(0, 255, (1, 224, 224, 3)).astype(np.float32)
    np.testing.assert_allclose(built(picture), recorded(picture), atol=1e-6)
