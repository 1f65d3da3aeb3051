"""EfficientNet-Lite with the weights of a PyTorch checkpoint."""

import numpy as np
import pytest
from torch_files import SMALL, checkpoint_of, write_checkpoint

from colorizer.classifiers.conversion import efficientnet_lite, pytorch_checkpoint
from colorizer.errors import ClassifierError


@pytest.mark.parametrize(
    ("name", "size", "parameters"),
    [
        ("efficientnet_lite0", 224, 4_694_024),
        ("efficientnet_lite1", 240, 5_470_344),
        ("efficientnet_lite2", 260, 6_150_168),
    ],
)
def test_sizes_are_the_published_ones(name, size, parameters):
    model = efficientnet_lite.build(name)
    assert model.input_shape == (None, size, size, 3) and model.output_shape == (None, 1000)
    assert model.count_params() == parameters


def test_a_checkpoint_becomes_a_keras_model_with_the_same_scores(small_lite, fake_torch, tmp_path):
    content = write_checkpoint(tmp_path / "a.pth", checkpoint_of(small_lite))
    converted = efficientnet_lite.build("small", efficientnet_lite.Scaling(*SMALL))
    efficientnet_lite.set_weights(converted, pytorch_checkpoint.read(content))
    for a, b in zip(converted.get_weights(), small_lite.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    picture = np.random.default_rng(2).uniform(0, 255, (1, 64, 64, 3)).astype(np.float32)
    np.testing.assert_allclose(converted(picture), small_lite(picture), atol=1e-7)


@pytest.mark.parametrize("change", ["missing", "more", "shape"])
def test_weights_of_another_network_are_refused(small_lite, change):
    arrays = checkpoint_of(small_lite)
    if change == "missing":
        del arrays["_bn1.bias"]
    elif change == "more":
        arrays["_blocks.99._bn0.bias"] = np.zeros(3, np.float32)
    else:
        arrays["_fc.weight"] = arrays["_fc.weight"][:10]
    with pytest.raises(ClassifierError, match="Received"):
        efficientnet_lite.set_weights(efficientnet_lite.build("small", efficientnet_lite.Scaling(*SMALL)), arrays)
