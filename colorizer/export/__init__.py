"""Networks for other runtimes: ONNX Runtime, LiteRT, TensorFlow's SavedModel."""
