"""Colorizes one photo with ONNX Runtime alone: no Keras, no TensorFlow.

pip install onnxruntime pillow scikit-image
python -m colorizer export --format onnx -o colorizer.onnx     (once, where Keras is installed)
python onnx_colorize.py colorizer.onnx old.jpg new.png
"""

import os
import sys

if len(sys.argv) != 4:
    sys.exit(f"{__doc__}\nThree files are needed: network, photo, result. Received: {' '.join(sys.argv[1:]) or 'none'}")

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # else ONNX Runtime reports its use to Microsoft

try:
    import numpy as np
    import onnxruntime
    from PIL import Image, ImageOps
    from skimage import color, transform
except ModuleNotFoundError as error:
    sys.exit(f"This example needs {error.name}: pip install onnxruntime pillow scikit-image")

network, source, target = sys.argv[1:]
session = onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])
side = session.get_inputs()[0].shape[1]  # 256 pixels or more; the graph averages them to the network's own size

photo = ImageOps.exif_transpose(Image.open(source)).convert("RGB")  # (H, W, 3) uint8, upright
square = photo.resize((side, side), Image.Resampling.BOX if min(photo.size) > side else Image.Resampling.BILINEAR)
l_norm = color.rgb2lab(square)[None, ..., :1].astype(np.float32) / 50 - 1  # (1, P, P, 1), -1..1
ab = session.run(None, {"l_norm": l_norm})[0][0] * 128  # (S, S, 2), Lab units

luminance = color.rgb2lab(photo)[..., :1]  # the photo's own, at its own size
ab = transform.resize(ab, (photo.height, photo.width), order=1)  # bilinear
result = color.lab2rgb(np.concatenate([luminance, ab], axis=-1))
Image.fromarray(np.rint(result * 255).astype(np.uint8)).save(target, quality=95, subsampling=0)
