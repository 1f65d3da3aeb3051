"""The critic: the colors that it gets of a distribution, and that it can tell colored pictures from true ones."""

import keras
import numpy as np

from colorizer import methods
from colorizer.training.long import critic


def test_it_gets_the_colors_of_the_vivid_look():
    logits = np.random.default_rng(0).normal(0, 3, (2, 8, 8, 313)).astype(np.float32)
    expected = methods.get("vit_decoder").coarse_of(logits, "vivid")[..., :2]
    np.testing.assert_allclose(critic.DecodedColors()(logits), expected, atol=1e-6)


def test_it_learns_to_tell_pictures_apart_by_color_and_its_kernels_stay_normalized():
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    model = critic.build(8, 24)
    assert model.output_shape == [(None, 2, 2, 1), (None, 1)]
    model.compile(keras.optimizers.Adam(3e-3, beta_1=0.5), [keras.losses.Hinge(), keras.losses.Hinge()])
    l_norm, tokens = rng.uniform(-1, 1, (16, 8, 8, 1)), rng.normal(size=(16, 2, 2, 24))
    # True colors follow the luminance; the others have the same values in another order.
    true = np.concatenate([l_norm, -l_norm], axis=-1) * 0.3
    both = [np.concatenate([part, other]) for part, other in ((l_norm, l_norm), (true, -true), (tokens, tokens))]
    target = critic.labels(model.output_shape, 16)
    assert [part.shape for part in target] == [(32, 2, 2, 1), (32, 1)]
    losses = [model.train_on_batch(both, target, return_dict=True)["loss"] for _ in range(60)]
    assert losses[0] > 1.5 and losses[-1] < 0.5
    patch, picture = model.predict_on_batch(both)
    assert picture[:16].min() > picture[16:].max()
    np.testing.assert_allclose(critic.generator_loss([patch, picture]), -patch.mean() - picture.mean(), rtol=1e-5)
    kernel = keras.ops.convert_to_numpy(model.get_layer("conv8_normalized").layer.kernel)
    assert 0.7 < np.linalg.norm(kernel.reshape(-1, kernel.shape[-1]), 2) < 1.3
