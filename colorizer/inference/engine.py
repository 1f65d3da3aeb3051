"""What computes a network: Keras, or ONNX Runtime with the file `network.onnx` beside the weights.

    l_norm --> network.onnx: network and the look's decoding --> coarse ab --> enlarged, guided filter --> ab_norm_hat

ONNX Runtime starts in a fraction of Keras' time and needs no TensorFlow. `python -m colorizer export --format light`
makes the file. Its kernels are not in it: they are read from the weights file, so that both engines have the same ones.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
from pathlib import Path

import cv2
import numpy as np

from colorizer.errors import EngineError
from colorizer.methods.base import radius_of
from colorizer.steering.network_hints import STRIDE

KERAS, ONNX = "keras", "onnx"
ENGINES = (KERAS, ONNX)
FILE = "network.onnx"
INPUT = "l_norm"  # of the graph
HINTS = "hints"  # a second input, of a network that takes hints
OUTPUT, FEATURES = "output", "features"  # of the graph, beside the looks
INSTALL = {
    KERAS: "In a clone of this repository: pip install -r requirements.txt",
    ONNX: "Install it: pip install onnxruntime",
}


def is_installed(engine: str) -> bool:
    """Whether the package of an engine is here. Imports nothing.

    Args:
        engine: one of `ENGINES`. Keras needs one of its backends, whichever.
    """
    if engine == ONNX:
        return importlib.util.find_spec("onnxruntime") is not None
    spec_of = importlib.util.find_spec
    return spec_of("keras") is not None and any(map(spec_of, ("tensorflow", "jax", "torch")))


def choose(weights: Path, engine: str | None = None) -> str:
    """Chooses the engine for a weights file. Imports nothing.

    Args:
        weights: the file, see `colorizer.weights.place`.
        engine: one of `ENGINES`; None takes ONNX Runtime where it and `network.onnx` are there, else Keras.

    Returns:
        One of `ENGINES`.

    Raises:
        EngineError: the engine is unknown or not installed, or the weights have no `network.onnx`.
    """
    if engine not in (None, *ENGINES):
        raise EngineError(f"The engine is one of {', '.join(ENGINES)}. Received: {engine}")
    exported = (weights.parent / FILE).is_file()
    if engine is None:
        engine = ONNX if exported and is_installed(ONNX) or not is_installed(KERAS) else KERAS
    if not is_installed(engine):
        raise EngineError(f"The engine {engine} is not installed. {INSTALL[engine]}. Received: {weights}")
    if engine == ONNX and not exported:
        wanted = f"These weights have no {FILE}, which the engine {ONNX} needs: they need Keras. {INSTALL[KERAS]}."
        made = f"For a method without a class vector, `{command_for(weights)}` then makes the file."
        raise EngineError(f"{wanted} {made} Received: {weights}")
    return engine


def command_for(weights: Path) -> str:
    """The command that makes `network.onnx` for a weights file."""
    return f"python -m colorizer export --format light --weights {weights.parent}"


def open_for(weights: Path) -> OnnxNetwork:
    """Opens the `network.onnx` of a weights file.

    Args:
        weights: the file, which has one beside it.

    Raises:
        EngineError: it cannot be read, or was made for other weights: their places in the file are others too.
    """
    network = OnnxNetwork(weights.parent / FILE)
    received = hashlib.sha256(weights.read_bytes()).hexdigest()
    if received != network.weights_sha256:
        raise EngineError(
            f"{network.path} was made for other weights. Make it again, with Keras: {command_for(weights)}. "
            f"Received: weights of sha256 {received}, not {network.weights_sha256}"
        )
    return network


class OnnxNetwork:
    """A network and its decoding in ONNX Runtime. Several threads may use one.

    Args:
        path: the file `network.onnx`, in the folder of its weights file.
        threads: None takes OMP_NUM_THREADS, or leaves their number to ONNX Runtime.

    Attributes:
        path: the file.
        side: the only side of pictures that the network takes; None if height and width may be any multiples of 32.
        looks: names of the graph's outputs, the default one first.
        smoothing: see `methods.base.Method`; None if the graph gives `ab_norm_hat` at full size.
        weights_sha256: of the weights file that the graph was made for.
        takes_hints: whether `predict` can be given colors of some places.

    Raises:
        EngineError: the file cannot be read.
    """

    def __init__(self, path: str | Path, threads: int | None = None):
        import onnxruntime

        self.path = Path(path)
        try:
            self._session = _session(path, threads)
            facts = self._session.get_modelmeta().custom_metadata_map
            self.looks = tuple(facts["looks"].split(",")) if facts["looks"] else ()
            windows, epsilon = facts["smoothing"].split(",") if facts["smoothing"] else (0, 0)
            self.weights_sha256 = facts["weights_sha256"]
        except Exception as error:  # ONNX Runtime has a dozen kinds; a file of another program has no facts
            raise EngineError(
                f"{path} is damaged or not from this program. Make it again, or take the engine {KERAS}. "
                f"Received: {next(iter(str(error).splitlines()), type(error).__name__)}"
            ) from error
        self.smoothing = (int(windows), float(epsilon)) if windows else None
        inputs = {one.name: one.shape for one in self._session.get_inputs()}
        self.takes_hints = HINTS in inputs
        height = inputs[INPUT][1]
        self.side = height if isinstance(height, int) else None
        self._outputs = [output.name for output in self._session.get_outputs()]
        self._first = self.looks[0] if self.looks else self._outputs[0]
        self._run_options = onnxruntime.RunOptions()
        self._run_options.only_execute_path_to_fetches = True  # of several looks only the one that is asked for

    def __repr__(self) -> str:
        return f"<OnnxNetwork {self.path}, looks {', '.join(self.looks) or 'one'}>"

    def predict(self, l_norm: np.ndarray, look: str | None = None, given: np.ndarray | None = None) -> np.ndarray:
        """Predicts the colors of a batch.

        Args:
            l_norm: (B, H, W, 1) float32, L*/50 - 1.
            look: one of `looks`; None for the first, or the only one.
            given: colors of some places, see `Method.predict_hinted`, for a network that takes hints; None for none.

        Returns:
            `ab_norm_hat` (B, H, W, 2) float32, ab/128.
        """
        # One after the other: a batch needs the memory of all its pictures.
        fed = ([None if one is None else one[i : i + 1] for one in (l_norm, given)] for i in range(len(l_norm)))
        return np.concatenate([self._one(look or self._first, *one) for one in fed])

    def output(self, l_norm: np.ndarray) -> np.ndarray | None:
        """The network's output before decoding, (B, h, w, C) float32; None if the graph does not give it."""
        return self._more(OUTPUT, l_norm)

    def features(self, l_norm: np.ndarray) -> np.ndarray | None:
        """What the encoder sees, (B, h, w, C) float32, every vector of length 1; None if the graph does not give it."""
        features = self._more(FEATURES, l_norm)
        if features is None:
            return None
        return features / np.maximum(np.linalg.norm(features, axis=-1, keepdims=True), 1e-6)

    def _more(self, name: str, l_norm: np.ndarray) -> np.ndarray | None:
        if name not in self._outputs:
            return None
        return self._run(name, l_norm)

    def _run(self, output: str, l_norm: np.ndarray, given: np.ndarray | None = None) -> np.ndarray:
        """One output of the graph."""
        fed = {INPUT: l_norm}
        if self.takes_hints:
            count, height, width = l_norm.shape[:3]
            fed[HINTS] = given
            if given is None:
                fed[HINTS] = np.zeros((count, height // STRIDE, width // STRIDE, 3), np.float32)
        return self._session.run([output], fed, self._run_options)[0]

    def _one(self, output: str, l_norm: np.ndarray, given: np.ndarray | None) -> np.ndarray:
        """(1, H, W, 1) -> (1, H, W, 2)."""
        ab_norm = self._run(output, l_norm, given)
        return ab_norm if self.smoothing is None else _enlarged(l_norm[0], ab_norm[0], *self.smoothing)[None]


def _threads() -> int:
    """The number that OMP_NUM_THREADS asks for, as other libraries of numbers take it; 0 for one on each core."""
    number = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    return int(number) if number.isdecimal() else 0


def _session(path: str | Path, threads: int | None):
    """Opens a graph in ONNX Runtime."""
    import onnxruntime

    onnxruntime.disable_telemetry_events()  # on Windows no variable does it; see `environment.report_to_nobody`
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or _threads()
    options.log_severity_level = 4  # what is wrong comes as an exception too
    # Threads that decode photos need the processor while the network waits for them.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Kernels of one byte become floats once, when the graph is loaded, and not anew for each photograph.
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    # More than the basic optimizations takes longer than one photograph gains.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _enlarged(l_norm: np.ndarray, coarse_ab_norm: np.ndarray, windows: int, epsilon: float) -> np.ndarray:
    """`methods.layers.guided_filter.enlarge` of one picture, in OpenCV: (H, W, 1) and (h, w, 2) -> (H, W, 2)."""
    height, width = l_norm.shape[:2]
    radius = radius_of(height, width, windows)
    ab_norm = cv2.resize(coarse_ab_norm, (width, height), interpolation=cv2.INTER_LINEAR)
    counts = _window_sums(np.ones((height, width), np.float32), radius)[..., None]

    def means(*channels):
        return _window_sums(np.concatenate(channels, axis=-1), radius) / counts

    of_l, of_ab = means(l_norm, l_norm * l_norm), means(ab_norm, l_norm * ab_norm)
    mean_l, mean_ll, mean_ab, mean_l_ab = of_l[..., :1], of_l[..., 1:], of_ab[..., :2], of_ab[..., 2:]
    slope = (mean_l_ab - mean_l * mean_ab) / (mean_ll - mean_l * mean_l + np.float32(epsilon))
    lines = means(slope, mean_ab - slope * mean_l)
    return np.clip(lines[..., :2] * l_norm + lines[..., 2:], -1, 1)


def _window_sums(x: np.ndarray, radius: int) -> np.ndarray:
    """Sums over squares of 2 radius + 1 pixels; what lies outside of the picture is zero."""
    width = 2 * radius + 1
    return cv2.boxFilter(x, -1, (width, width), normalize=False, borderType=cv2.BORDER_CONSTANT)
