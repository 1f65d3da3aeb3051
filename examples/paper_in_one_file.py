"""Image Colorization Enhancement using Transfer Learning, in plain Keras

A grayscale image holds the luminance L of CIE L*a*b*; the network predicts a and b. An encoder-decoder sees L at
256x256. An ImageNet classifier, EfficientNet-B4, sees the same gray image at 380x380; its 1000 scores are repeated
over the bottleneck, so that the decoder knows what the picture shows (Beniwal, Neelisetty, Pakanati; Figure 4).

    python examples/paper_in_one_file.py                      EfficientNet-B4's weights are downloaded by Keras, 77 MB
    python examples/paper_in_one_file.py --classifier none    without a download: zeros in the place of its scores

The pictures are crops of photographs that scikit-image installs: enough to see it learn, too few to learn from.
"""

import argparse
from pathlib import Path

try:
    import keras
    import numpy as np
    import skimage
    from keras import layers
    from PIL import Image
    from skimage.color import gray2rgb, lab2rgb, rgb2lab
    from tensorflow.keras.preprocessing.image import ImageDataGenerator
except ModuleNotFoundError as error:
    raise SystemExit(f"This example needs {error.name}: pip install tensorflow scikit-image pillow scipy") from error

# All crops of a photograph are in one list, because they overlap.
TRAIN = ("astronaut.png", "coffee.png", "rocket.jpg", "hubble_deep_field.jpg", "retina.jpg", "ihc.png")
VALIDATION = ("motorcycle_left.png",)  # chooses the best epoch
TEST = ("chelsea.png",)  # the cat, which nothing is chosen by

# ## Data: RGB pictures; Lab only after augmentation, so that a flip or a rotation moves all three channels alike.


def crops(names, size):
    """Nine overlapping squares of each photograph: (N, size, size, 3) float32, 0..255."""
    squares = []
    for name in names:
        photo = Image.open(Path(skimage.__file__).parent / "data" / name).convert("RGB")
        side = int(0.6 * min(photo.size))
        for row, column in np.ndindex(3, 3):
            left, top = (photo.width - side) * column // 2, (photo.height - side) * row // 2
            squares.append(np.asarray(photo.crop((left, top, left + side, top + side)).resize((size, size))))
    return np.float32(squares)


def samples(rgb, vectors):
    """RGB 0..255 -> ((l_norm, vectors), ab_norm): L/50 - 1 (N, H, W, 1) goes in, ab/128 (N, H, W, 2) is learned."""
    lab = rgb2lab(rgb / 255)
    return (np.float32(lab[..., :1] / 50 - 1), vectors), np.float32(lab[..., 1:] / 128)


def merge(l_norm, ab_norm):
    """Luminance and colors as RGB: (N, H, W, 3) float in 0..1."""
    return lab2rgb(np.concatenate([(l_norm + 1) * 50, ab_norm * 128], axis=-1))


# ## The class vector: softmax scores of the gray image, computed once; the classifier itself is not trained.


def class_vectors(rgb, classifier):
    """(N, 1000) scores of the gray pictures; zeros without a classifier."""
    if classifier is None:
        return np.zeros((len(rgb), 1000), np.float32)
    gray = gray2rgb(rgb2lab(rgb / 255)[..., 0]) * 2.55  # three equal channels, 0..255: it scales them itself
    return classifier.predict(keras.ops.image.resize(gray, (380, 380)), batch_size=4, verbose=0)


# ## The network: three poolings, the fusion with the class vector, three upsamplings, tanh.


def build(size):
    """(l_norm, vector) -> ab_norm. He initialization: with Keras' default, half of the encoder dies."""

    def conv(filters, kernel=3):
        return layers.Conv2D(filters, kernel, padding="same", activation="relu", kernel_initializer="he_normal")

    l_norm = keras.Input((size, size, 1), name="l_norm")
    vector = keras.Input((1000,), name="vector")
    x = conv(128)(l_norm)
    x = layers.MaxPooling2D()(x)
    x = conv(128)(conv(128, 4)(x))
    x = layers.MaxPooling2D()(x)
    x = conv(256)(conv(256, 4)(x))
    x = layers.MaxPooling2D()(x)
    x = conv(256)(conv(256)(conv(256, 4)(x)))
    small = size // 8
    repeated = layers.Reshape((small, small, 1000))(layers.RepeatVector(small * small)(vector))
    x = conv(256, 1)(layers.Concatenate()([x, repeated]))
    x = conv(64)(conv(128)(x))
    x = layers.UpSampling2D()(x)
    x = conv(128)(x)
    x = layers.UpSampling2D()(x)
    x = conv(32, 2)(conv(64)(conv(64, 4)(x)))
    x = layers.Conv2D(2, 3, padding="same", activation="tanh")(x)
    return keras.Model([l_norm, vector], layers.UpSampling2D()(x), name="paper")


# ## Batches: ImageDataGenerator augments the RGB picture; its class vector travels as the label.


class Batches(keras.utils.PyDataset):
    """Batches ((l_norm, vector), ab_norm) of augmented pictures."""

    def __init__(self, rgb, vectors, batch_size=20):
        super().__init__()
        augment = ImageDataGenerator(horizontal_flip=True, zoom_range=0.2, rotation_range=20)
        self.flow = augment.flow(rgb, vectors, batch_size=batch_size, seed=42)

    def __len__(self):
        return len(self.flow)

    def __getitem__(self, index):
        return samples(*self.flow[index])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=20, help="the paper: 100 (default: %(default)s)")
    parser.add_argument("--size", type=int, default=256, help="of the squares (default: %(default)s)")
    parser.add_argument("--classifier", default="efficientnet_b4", choices=("efficientnet_b4", "none"))
    parser.add_argument("--output", default="paper.png", help="gray, predicted, truth (default: %(default)s)")
    flags = parser.parse_args()
    keras.utils.set_random_seed(42)
    classifier = keras.applications.EfficientNetB4(weights="imagenet") if flags.classifier != "none" else None
    pictures = [crops(names, flags.size) for names in (TRAIN, VALIDATION, TEST)]
    train, validation, test = ((rgb, class_vectors(rgb, classifier)) for rgb in pictures)
    model = build(flags.size)
    model.compile(optimizer=keras.optimizers.Adam(3e-4), loss="mse")
    model.fit(
        Batches(*train),
        validation_data=samples(*validation),
        epochs=flags.epochs,
        verbose=2,
        callbacks=[
            keras.callbacks.ModelCheckpoint("paper.weights.h5", save_best_only=True, save_weights_only=True),
            keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=3, min_delta=0, min_lr=1e-5),
        ],
    )
    model.load_weights("paper.weights.h5")
    (test_l, test_vectors), test_ab = samples(*test)
    predicted = model.predict([test_l, test_vectors], verbose=0)
    error, gray_error = np.mean((predicted - test_ab) ** 2), np.mean(test_ab**2)
    print(f"MSE on ab/128, {len(test_l)} crops of the cat: {error:.4f}; all gray: {gray_error:.4f}")
    columns = [np.concatenate(list(merge(test_l, ab)[:3])) for ab in (0 * test_ab, predicted, test_ab)]
    Image.fromarray(np.uint8(np.round(255 * np.concatenate(columns, axis=1)))).save(flags.output)


if __name__ == "__main__":
    main()
