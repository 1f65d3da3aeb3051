"""What computes a network: Keras, or ONNX Runtime with the file `network.onnx` beside the weights.

    KerasNetwork: l_norm, vector --> network --> Method.ab_of --> ab_norm_hat
    OnnxNetwork:  l_norm --> network.onnx: network, Method.coarse_of --> enlarged, smoothed --> ab_norm_hat

Both are a `Network`: `inference.forward` need not know which one it has. ONNX Runtime starts in a fraction of Keras'
time and needs no TensorFlow; Keras is imported only within the functions that need it. The file `network.onnx` is made
by `python -m colorizer export --format light`. Its kernels are not in it: they are read from the weights file, so that
both engines have the same ones.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from colorizer.config import CLASSES
from colorizer.errors import EngineError
from colorizer.methods.layers import domain_transform
from colorizer.methods.layers.bins import STRIDE
from colorizer.steering.prediction import Prediction

if TYPE_CHECKING:
    import keras

    from colorizer.methods import Method

KERAS, ONNX = "keras", "onnx"
ENGINES = (KERAS, ONNX)
FILE = "network.onnx"
INPUT = "l_norm"  # of the graph
HINTS = "hints"  # a second input, of a network that takes hints
OUTPUT, FEATURES = "output", "features"  # of the graph beside the looks: logits over 313 colors, the encoder's tokens
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


class Network(Protocol):
    """A network and its decoding, in either engine.

    Attributes:
        takes_hints: whether `predict` can be given colors of some places.
        uses_vector: whether the class vector changes anything.
    """

    takes_hints: bool = False
    uses_vector: bool = False

    def predict(
        self,
        l_norm: np.ndarray,
        vector: np.ndarray | None = None,
        look: str | None = None,
        given: np.ndarray | None = None,
    ) -> np.ndarray:
        """Predicts the colors of a batch.

        Args:
            l_norm: (B, H, W, 1) float32, L*/50 - 1.
            vector: (B, 1000) float32 class vectors; None for zeros.
            look: one of the method's looks; None for the first, or the only one.
            given: colors of some places, see `Method.output_with`, for a network that takes hints; None for none.

        Returns:
            `ab_norm_hat` (B, H, W, 2) float32, ab/128.
        """

    def predict_all(self, l_norm: np.ndarray, vector: np.ndarray | None = None, look: str | None = None) -> Prediction:
        """Predicts all that is known of a batch's colors.

        Args:
            l_norm: see `predict`.
            vector: see `predict`.
            look: see `predict`.

        Returns:
            The batch's: probabilities on the grid of the network's output, features on one of H/16 x W/16.
        """

    def batch_size(self, count: int) -> int:
        """The size to which a batch is best filled up.

        Args:
            count: of its pictures.

        Returns:
            `count` or more.
        """
        return count


class KerasNetwork(Network):
    """A network and its decoding in Keras.

    Args:
        network: from `method.build`, trained.
        method: from `colorizer.methods.get`.
    """

    def __init__(self, network: keras.Model, method: Method):
        self.network, self.method = network, method
        self.takes_hints, self.uses_vector = method.takes_hints, method.uses_vector

    def __repr__(self) -> str:
        return f"<KerasNetwork of {self.method}>"

    def predict(self, l_norm, vector=None, look=None, given=None) -> np.ndarray:
        """Predicts the colors of a batch; see `Network.predict`."""
        if given is None:
            return self.method.predict_ab(self.network, l_norm, _or_zeros(vector, l_norm), look)
        from keras import ops

        l_norm = ops.convert_to_tensor(l_norm)
        output = self.method.output_with(self.network, l_norm, ops.convert_to_tensor(given))
        return ops.convert_to_numpy(self.method.ab_of(output, l_norm, look))

    def predict_all(self, l_norm, vector=None, look=None) -> Prediction:
        """Predicts colors and the likely ones from one output; see `Network.predict_all`."""
        encoder = self.method.encoder_of(self.network)
        features = None if encoder is None else _unit_vectors(encoder.predict_on_batch(l_norm))
        if not self.method.predicts_bins:
            return Prediction(self.predict(l_norm, vector, look), features=features)
        from keras import ops

        output = self.network.predict_on_batch([l_norm, _or_zeros(vector, l_norm)])
        ab_norm_hat = self.method.ab_of(output, ops.convert_to_tensor(l_norm), look)
        probabilities = ops.convert_to_numpy(ops.softmax(output, axis=-1))
        return Prediction(ops.convert_to_numpy(ab_norm_hat), probabilities, features)

    def predict_lab(self, l_norm: np.ndarray, vector: np.ndarray | None = None) -> np.ndarray:
        """Predicts whole Lab pictures; see `Method.predict_lab`.

        Args:
            l_norm: see `Network.predict`.
            vector: see `Network.predict`.

        Returns:
            (B, H, W, 3) float32 Lab; L 0..100.
        """
        return self.method.predict_lab(self.network, l_norm, _or_zeros(vector, l_norm))

    def batch_size(self, count: int) -> int:
        """The next power of two: at most twice the work, and few sizes for which Keras compiles."""
        return 1 << (count - 1).bit_length()


class OnnxNetwork(Network):
    """A network and its decoding in ONNX Runtime. Several threads may use one. It takes no class vector.

    Args:
        path: the file `network.onnx`, in the folder of its weights file.
        threads: None takes OMP_NUM_THREADS, or leaves their number to ONNX Runtime.

    Attributes:
        path: the file.
        side: the only side of pictures that the network takes; None if height and width may be any multiples of 32.
        looks: names of the graph's outputs, the default one first.
        smoothing: see `methods.base.Method`; None if the graph gives `ab_norm_hat` at full size.
        weights_sha256: of the weights file that the graph was made for.
        takes_hints: see `Network`.

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
            smoothing = facts["domain_transform"]
            self.weights_sha256 = facts["weights_sha256"]
        except Exception as error:  # ONNX Runtime has a dozen kinds; a file of another program has no facts
            raise EngineError(
                f"{path} is damaged or not from this program. Make it again, or take the engine {KERAS}. "
                f"Received: {next(iter(str(error).splitlines()), type(error).__name__)}"
            ) from error
        self.smoothing = tuple(map(float, smoothing.split(","))) if smoothing else None
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

    def predict(self, l_norm, vector=None, look=None, given=None) -> np.ndarray:
        """Predicts the colors of a batch; see `Network.predict`. The vector is not used."""
        # One after the other: a batch needs the memory of all its pictures.
        fed = ([None if one is None else one[i : i + 1] for one in (l_norm, given)] for i in range(len(l_norm)))
        return np.concatenate([self._one(look or self._first, *one) for one in fed])

    def predict_all(self, l_norm, vector=None, look=None) -> Prediction:
        """Predicts colors, the likely ones and features in one pass; see `Network.predict_all`. No vector is used."""
        look = look or self._first
        names = [name for name in (look, OUTPUT, FEATURES) if name in self._outputs]
        found = dict(zip(names, self._run(names, l_norm), strict=True))
        logits, features = found.get(OUTPUT), found.get(FEATURES)
        return Prediction(
            np.concatenate([self._smoothed(*one) for one in zip(l_norm, found[look], strict=True)]),
            None if logits is None else _softmax(logits),
            None if features is None else _unit_vectors(features),
        )

    def _run(self, outputs: Sequence[str], l_norm: np.ndarray, given: np.ndarray | None = None) -> list[np.ndarray]:
        """Some outputs of the graph, in one pass."""
        fed = {INPUT: l_norm}
        if self.takes_hints:
            count, height, width = l_norm.shape[:3]
            fed[HINTS] = given
            if given is None:
                fed[HINTS] = np.zeros((count, height // STRIDE, width // STRIDE, 3), np.float32)
        return self._session.run([*outputs], fed, self._run_options)

    def _one(self, output: str, l_norm: np.ndarray, given: np.ndarray | None) -> np.ndarray:
        """(1, H, W, 1) -> (1, H, W, 2)."""
        return self._smoothed(l_norm[0], self._run([output], l_norm, given)[0][0])

    def _smoothed(self, l_norm: np.ndarray, decoded: np.ndarray) -> np.ndarray:
        """A picture's output of a look, enlarged if the graph does not do so: -> (1, H, W, 2)."""
        if self.smoothing is not None:
            decoded = domain_transform.enlarge_numpy(l_norm, decoded, *self.smoothing)
        return decoded[np.newaxis]


def _or_zeros(vector: np.ndarray | None, l_norm: np.ndarray) -> np.ndarray:
    """The class vectors of a batch: zeros if there are none."""
    return np.zeros((len(l_norm), CLASSES), np.float32) if vector is None else vector


def _unit_vectors(tokens: np.ndarray) -> np.ndarray:
    return tokens / np.maximum(np.linalg.norm(tokens, axis=-1, keepdims=True), 1e-6)


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


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
