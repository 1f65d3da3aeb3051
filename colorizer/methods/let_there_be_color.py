"""Let there be Color!: what the whole picture shows decides, beside what every spot looks like.

The network of Iizuka, Simo-Serra and Ishikawa (SIGGRAPH 2016) sees a picture twice: as it is,
for local features, and at a fixed smaller size, for 256 global ones that are set beside every
local position. Both start with the same layers, weights shared. Colours come out at half size.

    l_norm SxS ----------> low-level -> mid-level --------------+
                              | shared                          fusion -> colourisation -> S/2 x S/2 x 2
    l_norm 7/8 S x 7/8 S -> low-level -> global -> 256 numbers -+
                                            +-> class scores, where labels exist

42,195,810 parameters without class scores; 14.6 G multiply-adds at 256x256 with both scales, of which
BASELINES' 11.2 G are one. 100 epochs of 2,200 pictures are 10 P, forward and back: over two days at
50 G a second, as two CPU cores may do. benchmarks/methods.py measures.

The paper learns colours and the class of the scene together. Paintings have no classes: there
the global path is trained by the colours alone, the paper's own ablation, and half of what the
paper proposes is missing; tables must say so. `joint_trainer` adds the class term for labelled pictures.

Written from the paper and from BASELINES §1.1; the authors never released their training code, and
nothing of their test script (CC BY-NC-SA 4.0) is used. Departures from the paper are in `settings`.
"""

from __future__ import annotations

import keras
from keras import ops

from colorizer import color
from colorizer.config import TrainConfig
from colorizer.data.coco_labels import UNLABELLED
from colorizer.methods.base import Default, Method

AB_RANGE = 100.0  # Lab units at the ends of the sigmoid; some blues lie beyond and are clipped (BASELINES §0)
CLASS_WEIGHT = 1 / 300  # alpha of the paper; means on both sides, a sum of colours would drown it (BASELINES §1.1)


def global_size(image_size: int) -> int:
    """Side of the picture that the global path sees.

    Args:
        image_size: side of the input, a multiple of 32.

    Returns:
        224 for 256, the paper's; else the nearest multiple of 32 to seven eighths of the side.

    Source: BASELINES §1.1; other sizes: ours.
    """
    return max(32, 32 * round(image_size * 224 / 256 / 32))


def _norm_relu(x, name):
    # 1e-5 is Torch's epsilon.
    x = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_norm")(x)
    return keras.layers.ReLU(name=f"{name}_relu")(x)


def _conv(x, name, filters, stride=1, kernel=3):
    """Convolution, batch normalization, ReLU, aligned as in Torch: "same" with stride 2 would pad one side only."""
    padding = "same"
    if stride == 2:
        x, padding = keras.layers.ZeroPadding2D(1, name=f"{name}_pad")(x), "valid"
    x = keras.layers.Conv2D(
        filters, kernel, strides=stride, padding=padding, kernel_initializer="he_normal", name=name
    )(x)
    return _norm_relu(x, name)


def _dense(x, name, units):
    """Fully connected layer, batch normalization, ReLU."""
    return _norm_relu(keras.layers.Dense(units, kernel_initializer="he_normal", name=name)(x), name)


def low_level() -> keras.Model:
    """The layers both paths share: (B, s, s, 1) -> (B, s/8, s/8, 512) for any s. Source: BASELINES §1.1, table."""
    x = picture = keras.Input((None, None, 1), name="picture")
    for i, (filters, stride) in enumerate(((64, 2), (128, 1), (128, 2), (256, 1), (256, 2), (512, 1)), start=1):
        x = _conv(x, f"low{i}", filters, stride)
    return keras.Model(picture, x, name="low_level")


def global_features(x):
    """Low-level features of the small picture -> (B, 256), by way of fc2's 512 that class scores are made of."""
    for i, stride in enumerate((2, 1, 2, 1), start=1):
        x = _conv(x, f"global{i}", 512, stride)
    x = keras.layers.Flatten(name="flatten")(x)
    for i, units in enumerate((1024, 512, 256), start=1):
        x = _dense(x, f"fc{i}", units)
    return x


def fuse(mid, whole):
    """Sets the global features beside every position: (B, h, w, 256) and (B, 256) -> (B, h, w, 256).

    Source: the paper's fusion layer, ReLU(b + W [global; local]); BASELINES §1.1.
    """
    _, height, width, _ = mid.shape
    whole = keras.layers.RepeatVector(height * width, name="repeat")(whole)
    whole = keras.layers.Reshape((height, width, 256), name="spread")(whole)
    return _conv(keras.layers.Concatenate(name="concat")([mid, whole]), "fuse", 256, kernel=1)


def colourise(x):
    """Fused features (B, h, w, 256) -> colours (B, 4h, 4w, 2), 0..1 for -100..100. Source: BASELINES §1.1, table."""
    x = _conv(x, "col1", 128)
    x = keras.layers.UpSampling2D(2, name="up1")(x)
    x = _conv(x, "col2", 64)
    x = _conv(x, "col3", 64)
    x = keras.layers.UpSampling2D(2, name="up2")(x)
    x = _conv(x, "col4", 32)
    # float32 also under mixed precision: bfloat16 would round ab to half a Lab unit.
    return keras.layers.Conv2D(2, 3, padding="same", activation="sigmoid", dtype="float32", name="out")(x)


def with_classes(network: keras.Model, classes: int) -> keras.Model:
    """A model around `network` that puts out class scores too.

    Args:
        network: from `build`, without classes; its layers are shared.
        classes: how many.

    Returns:
        A model with the same inputs and the outputs colours and logits (B, classes).

    Source: BASELINES §1.1, "classifier (from fc2)".
    """
    x = _dense(network.get_layer("fc2_relu").output, "class1", 256)
    logits = keras.layers.Dense(classes, kernel_initializer="he_normal", dtype="float32", name="class2")(x)
    return keras.Model(network.inputs, [network.outputs[0], logits], name="with_classes")


def targets_of(ab_norm):
    """What the sigmoid is to give: ab/128 (B, S, S, 2) -> (B, S/2, S/2, 2) in 0..1, by area. Source: BASELINES §1.1."""
    halved = ops.average_pool(ab_norm, 2, 2)
    return ops.clip((halved * (color.AB_SCALE / AB_RANGE) + 1) / 2, 0, 1)


def colour_loss(ab_norm, colours):
    """Mean squared error of the sigmoid's output: (B,) float32. Source: BASELINES §1.1, "Losses"."""
    return ops.mean(ops.square(targets_of(ab_norm) - colours), axis=(1, 2, 3))


def class_loss(labels, logits):
    """Cross entropy of class scores.

    Args:
        labels: (B,) or (B, 1) integers; `UNLABELLED` where a picture has no class.
        logits: (B, classes) float32.

    Returns:
        (B,) float32 nats, 0 where there is no label.

    Source: BASELINES §1.1, "Losses"; the mask: ours.
    """
    labels = ops.cast(ops.reshape(labels, (-1,)), "int32")
    nats = ops.sparse_categorical_crossentropy(ops.maximum(labels, 0), logits, from_logits=True)
    return ops.where(labels == UNLABELLED, 0.0, nats)


def _adadelta(config):
    return keras.optimizers.Adadelta(config.learning_rate, rho=0.95, epsilon=1e-6)  # the algorithm's paper


def joint_trainer(network, config, classes: int) -> keras.Model:
    """ADADELTA on colours and classes together: for batches `((l_norm, vector), (ab_norm, label))`.

    Args:
        network: from `build`, without classes.
        config: the run's configuration.
        classes: how many there are; labels are 0 to classes - 1, or `UNLABELLED`.

    Returns:
        A compiled model; `loss` is the colours' plus the classes' / 300, both logged.

    Source: the paper's joint training; BASELINES §1.1, "Losses".
    """
    model = with_classes(network, classes)
    model.compile(optimizer=_adadelta(config), loss=[colour_loss, class_loss], loss_weights=[1.0, CLASS_WEIGHT])
    return model


class LetThereBeColor(Method):
    """The network of Iizuka, Simo-Serra and Ishikawa, with or without class labels."""

    title = "Let there be Color!"
    reference = "Iizuka, Simo-Serra, Ishikawa, Let there be Color!, SIGGRAPH 2016"
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
        "batch_norm_momentum": Default(0.9, "for short runs"),
        "initialization": Default("He normal", "not stated in the paper"),
    }
    uses_labels = True

    def build(self, image_size: int = 256, encoder=None, initializer: str | None = None) -> keras.Model:
        """Builds the network without class scores: colors (B, S/2, S/2, 2) in 0..1; see `Method.build`."""
        l_norm = keras.Input((image_size, image_size, 1), name="l_norm")
        vector = keras.Input((1000,), name="vector")  # unused: every method has the same inputs
        picture = keras.layers.Rescaling(0.5, name="l_over_100")(l_norm)  # L/100 - 0.5
        small = keras.layers.Resizing(
            global_size(image_size), global_size(image_size), interpolation="bilinear", name="small"
        )(picture)
        low = low_level()
        mid = _conv(_conv(low(picture), "mid1", 512), "mid2", 256)
        colours = colourise(fuse(mid, global_features(low(small))))
        return keras.Model([l_norm, vector], colours, name="let_there_be_color")

    def trainer(self, network: keras.Model, config: TrainConfig, train: keras.utils.PyDataset) -> keras.Model:
        """Compiles ADADELTA on the colors' mean squared error, and on the classes if the run has labels."""
        classes = getattr(train, "classes", 0)
        if classes:
            return joint_trainer(network, config, classes)
        network.compile(optimizer=_adadelta(config), loss=colour_loss)
        return network

    def ab_of(self, output, l_norm, look: str | None = None):
        """Rescales the sigmoid's output and enlarges it bilinearly; see `Method.ab_of`."""
        ab_norm_hat = (2 * output - 1) * (AB_RANGE / color.AB_SCALE)
        return ops.image.resize(ab_norm_hat, l_norm.shape[1:3], interpolation="bilinear")
