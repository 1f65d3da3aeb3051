"""Let there be Color!: the whole picture's features help to decide each pixel's color.

Iizuka, Simo-Serra, Ishikawa, "Let there be Color!", SIGGRAPH 2016. The network sees a picture twice: as it is, for
local features, and at a fixed smaller size, for 256 global ones that are repeated over all local positions. Both paths
begin with the same layers and weights. Colors come out at half size.

    l_norm SxS ----------> low-level -> mid-level --------------+
                              | shared                          fusion -> colorization -> S/2 x S/2 x 2
    l_norm 7/8 S x 7/8 S -> low-level -> global -> 256 numbers -+
                                            +-> class scores, if there are labels

42,195,810 parameters without class scores; 14.6 G multiply-adds at 256x256 for both scales together. 100 epochs of
2,200 pictures are 10 P multiply-adds, forward and back: over two days on two CPU cores at 50 G a second.
benchmarks/methods.py measures.

The paper learns colors and the class of the scene together. Paintings have no classes: the global path is then trained
by the colors alone, which is the paper's own ablation. Half of what the paper proposes is missing there, and tables
must say so. `joint_trainer` adds the class term for labeled pictures.

Written from the paper and docs/reproduction_notes.md, 1.1. The authors released no training code, and no code of their
test script (CC BY-NC-SA 4.0) is used. `departures` lists what differs from the paper.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from colorizer import color
from colorizer.config import TrainConfig
from colorizer.methods.base import Default, Method
from colorizer.methods.layers.inputs import inputs

AB_RANGE = 100.0  # Lab units at the ends of the sigmoid, the authors'; some blues lie beyond and are clipped
# The paper's alpha. Both terms are means here: beside a sum over all pixels' colors the class term would do nothing.
CLASS_WEIGHT = 1 / 300
EPSILON = 1e-5  # of batch normalization, Torch's
# Of the batch statistics. Keras' 0.99 needs some hundred steps to forget its start, more than a short run has.
MOMENTUM = 0.9


def global_size(image_size: int) -> int:
    """Side of the picture that the global path sees.

    Args:
        image_size: side of the input, a multiple of 32.

    Returns:
        224 for 256, as in the paper; else the multiple of 32 that is nearest to seven eighths of the side.
    """
    # Three halvings of the low-level layers and two of the global ones need a multiple of 2^5 = 32.
    return max(32, 32 * round(image_size * 224 / 256 / 32))


def _norm_relu(x, name):
    x = keras.layers.BatchNormalization(momentum=MOMENTUM, epsilon=EPSILON, name=f"{name}_norm")(x)
    return keras.layers.ReLU(name=f"{name}_relu")(x)


def _conv(x, name, filters, stride=1, kernel=3):
    """Convolution, batch normalization, ReLU, aligned as in Torch."""
    padding = "same"
    if stride == 2:
        # TRICKY: "same" with stride 2 pads right and bottom only; three such layers shift the output by 7 pixels.
        x, padding = keras.layers.ZeroPadding2D(1, name=f"{name}_pad")(x), "valid"
    x = keras.layers.Conv2D(
        filters, kernel, strides=stride, padding=padding, kernel_initializer="he_normal", name=name
    )(x)
    return _norm_relu(x, name)


def _dense(x, name, units):
    """Fully connected layer, batch normalization, ReLU."""
    return _norm_relu(keras.layers.Dense(units, kernel_initializer="he_normal", name=name)(x), name)


def low_level() -> keras.Model:
    """The layers both paths share: (B, s, s, 1) -> (B, s/8, s/8, 512) for any s."""
    x = picture = keras.Input((None, None, 1), name="picture")
    # Filters and strides of the paper's table (docs/reproduction_notes.md, 1.1): three halvings, 8 in all.
    for i, (filters, stride) in enumerate(((64, 2), (128, 1), (128, 2), (256, 1), (256, 2), (512, 1)), start=1):
        x = _conv(x, f"low{i}", filters, stride)
    return keras.Model(picture, x, name="low_level")


def global_features(x: keras.KerasTensor) -> keras.KerasTensor:
    """Low-level features of the small picture -> (B, 256), through the 512 of fc2 that class scores are made of."""
    # Two more halvings: at 224 the map is 7x7x512. Its 25,088 numbers into 1024 units are 25.7 of the network's 42.2 M
    # parameters, and the reason why this path's size is fixed.
    for i, stride in enumerate((2, 1, 2, 1), start=1):
        x = _conv(x, f"global{i}", 512, stride)
    x = keras.layers.Flatten(name="flatten")(x)
    # The paper's three sizes; the last is that of the mid-level features, beside which it is repeated.
    for i, units in enumerate((1024, 512, 256), start=1):
        x = _dense(x, f"fc{i}", units)
    return x


def fuse(mid: keras.KerasTensor, whole: keras.KerasTensor) -> keras.KerasTensor:
    """The paper's fusion layer, ReLU(b + W [global; local]): (B, h, w, 256) and (B, 256) -> (B, h, w, 256)."""
    _, height, width, _ = mid.shape
    whole = keras.layers.RepeatVector(height * width, name="repeat")(whole)
    whole = keras.layers.Reshape((height, width, 256), name="spread")(whole)
    # 256 + 256 channels in, 256 out: W of the paper's formula has 256x512 numbers.
    return _conv(keras.layers.Concatenate(name="concat")([mid, whole]), "fuse", 256, kernel=1)


def colorize(x: keras.KerasTensor) -> keras.KerasTensor:
    """Fused features (B, h, w, 256) -> colors (B, 4h, 4w, 2), 0..1 for a and b in -100..100."""
    # The paper's filters. Two doublings lead from an eighth of the size to a half, where its loss is taken.
    x = _conv(x, "col1", 128)
    x = keras.layers.UpSampling2D(2, name="up1")(x)
    x = _conv(x, "col2", 64)
    x = _conv(x, "col3", 64)
    x = keras.layers.UpSampling2D(2, name="up2")(x)
    x = _conv(x, "col4", 32)
    # float32 also under mixed precision: bfloat16 would round ab to half a Lab unit.
    return keras.layers.Conv2D(2, 3, padding="same", activation="sigmoid", dtype="float32", name="out")(x)


def with_classes(network: keras.Model, classes: int) -> keras.Model:
    """Adds class scores to a network's output.

    Args:
        network: from `LetThereBeColor.build`; its layers are shared, not copied.
        classes: how many classes there are.

    Returns:
        A model with the same inputs and two outputs: colors (B, S/2, S/2, 2) and logits (B, classes).
    """
    # The paper's 256 units between the 512 of the global path and the scores.
    x = _dense(network.get_layer("fc2_relu").output, "class1", 256)
    logits = keras.layers.Dense(classes, kernel_initializer="he_normal", dtype="float32", name="class2")(x)
    return keras.Model(network.inputs, [network.outputs[0], logits], name="with_classes")


def targets_of(ab_norm: Any) -> Any:
    """The sigmoid's targets, averaged over areas: ab/128 (B, S, S, 2) -> (B, S/2, S/2, 2) in 0..1."""
    # The output has half of the side, so four pixels of the truth are one target.
    halved = ops.average_pool(ab_norm, 2, 2)
    return ops.clip((halved * (color.AB_SCALE / AB_RANGE) + 1) / 2, 0, 1)


@keras.saving.register_keras_serializable("colorizer")
def color_loss(ab_norm: Any, colors: Any) -> Any:
    """Mean squared error of the sigmoid's output: (B, S, S, 2), (B, S/2, S/2, 2) -> (B,) float32."""
    return ops.mean(ops.square(targets_of(ab_norm) - colors), axis=(1, 2, 3))


@keras.saving.register_keras_serializable("colorizer")
def class_loss(labels: Any, logits: Any) -> Any:
    """Cross entropy of class scores.

    Args:
        labels: (B,) or (B, 1) integers; negative for a picture without a class.
        logits: (B, classes) float32.

    Returns:
        (B,) float32 nats, 0 for a picture without a class.
    """
    labels = ops.cast(ops.reshape(labels, (-1,)), "int32")
    # A label below 0 is no index; any other class stands in for it and is multiplied out below.
    nats = ops.sparse_categorical_crossentropy(ops.maximum(labels, 0), logits, from_logits=True)
    return ops.where(labels < 0, 0.0, nats)


def _adadelta(config) -> keras.optimizers.Optimizer:
    # rho and epsilon are those of ADADELTA's paper (Zeiler, 2012).
    return keras.optimizers.Adadelta(config.learning_rate, rho=0.95, epsilon=1e-6)


def joint_trainer(network: keras.Model, config: TrainConfig, classes: int) -> keras.Model:
    """Compiles ADADELTA on colors and classes together, for batches `((l_norm, vector), (ab_norm, label))`.

    Args:
        network: from `LetThereBeColor.build`.
        config: the run's configuration.
        classes: how many classes there are; labels are 0 to classes - 1, or negative for none.

    Returns:
        A compiled model; its `loss` is that of the colors plus that of the classes / 300. Both are logged.
    """
    model = with_classes(network, classes)
    model.compile(optimizer=_adadelta(config), loss=[color_loss, class_loss], loss_weights=[1.0, CLASS_WEIGHT])
    return model


class LetThereBeColor(Method):
    """The network of Iizuka, Simo-Serra and Ishikawa, with or without class labels."""

    title = "Let there be Color"
    reference = "Iizuka, Simo-Serra, Ishikawa, Let there be Color!, SIGGRAPH 2016"
    multiply_adds = 14.6  # of a picture at 256 and once more at 224
    defaults = {
        "classifier": Default("none", "Iizuka 2016: the network learns its own global features"),
        "learning_rate": Default(1.0, "Iizuka 2016: ADADELTA has none; Keras' 0.001 is not that algorithm"),
        "plateau_min_lr": Default(1.0, "Iizuka 2016: ADADELTA, without a schedule"),
        "zoom_range": Default(0.0, "Iizuka 2016 only mirrors and crops"),
        "rotation_range": Default(0.0, "Iizuka 2016 only mirrors and crops"),
        "shear_range": Default(0.0, "Iizuka 2016 only mirrors and crops"),
    }
    departures = {
        "crop": Default("none", "both scales are used in training too; Iizuka 2016: one random 224x224 of 256x256"),
        "input_mean": Default(0.5, "middle gray; Iizuka 2016: the training set's mean, which normalization removes"),
        "class_loss": Default("only with --labels", "most pictures have no class; Iizuka 2016: always"),
        "global_path": Default("7/8 of the side", "Iizuka 2016: always 224; below 256 a dense layer is smaller"),
        "batch_norm_momentum": Default(0.9, "for short runs"),
        "initialization": Default("He normal", "not stated in the paper"),
    }
    uses_labels = True

    def build(
        self, image_size: int = 256, encoder: keras.Model | None = None, initializer: str | None = None
    ) -> keras.Model:
        """Builds the network without class scores: colors (B, S/2, S/2, 2) in 0..1; see `Method.build`."""
        l_norm, vector = inputs(image_size)
        picture = keras.layers.Rescaling(0.5, name="l_over_100")(l_norm)  # L/100 - 0.5
        small = keras.layers.Resizing(
            global_size(image_size), global_size(image_size), interpolation="bilinear", name="small"
        )(picture)
        # One model for both scales: the paper shares the weights of these layers.
        low = low_level()
        # The paper's two mid-level layers, at an eighth of the size.
        mid = _conv(_conv(low(picture), "mid1", 512), "mid2", 256)
        colors = colorize(fuse(mid, global_features(low(small))))
        return keras.Model([l_norm, vector], colors, name="let_there_be_color")

    def trainer(self, network: keras.Model, config: TrainConfig, train: keras.utils.PyDataset) -> keras.Model:
        """Compiles ADADELTA on the colors' mean squared error, and on the classes if the run has labels."""
        if config.labels:
            return joint_trainer(network, config, train.classes)
        network.compile(optimizer=_adadelta(config), loss=color_loss)
        return network

    def ab_of(self, output: Any, l_norm: Any, look: str | None = None) -> Any:
        """Rescales the sigmoid's output and enlarges it bilinearly; see `Method.ab_of`."""
        ab_norm_hat = (2 * output - 1) * (AB_RANGE / color.AB_SCALE)
        return ops.image.resize(ab_norm_hat, l_norm.shape[1:3], interpolation="bilinear")
