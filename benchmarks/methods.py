"""Speed and memory of every method: a JSON line each, measured in a process of its own.

    python -m benchmarks.methods > methods.jsonl
    python -m benchmarks.methods --methods gan colorful --precision mixed_bfloat16
    KERAS_BACKEND=jax python -m benchmarks.methods --steps 3

Training is the compiled step alone, on one batch of noise that lies in memory: no pictures are
read, moved or converted. Inference is `predict_ab`, decoding included. The first step, which
compiles, is timed apart. Run it on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time


def parse(argv=None) -> argparse.Namespace:
    """The typed flags. `--measure` is how a process of its own is told which method is its."""
    from colorizer import methods
    from colorizer.config import PRECISIONS

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", choices=methods.names(), help="default: all but trivial")
    parser.add_argument("--batch-size", type=int, default=20)
    parser.add_argument("--image-size", type=int, default=256)
    parser.add_argument("--steps", type=int, default=5, help="timed steps, after one that compiles")
    parser.add_argument("--precision", choices=PRECISIONS, default="float32")
    parser.add_argument("--measure", choices=methods.names(), help=argparse.SUPPRESS)
    flags = parser.parse_args(argv)
    flags.methods = flags.methods or [name for name in methods.names() if name != "trivial"]
    return flags


def noise(batch_size: int, image_size: int, steps: int):
    """One batch of noise as `fit` takes it, `steps` times: ((l_norm, vector), ab_norm)."""
    import keras
    import numpy as np

    rng = np.random.default_rng(0)
    l_norm = rng.uniform(-1, 1, (batch_size, image_size, image_size, 1)).astype(np.float32)
    ab_norm = rng.uniform(-0.4, 0.4, (batch_size, image_size, image_size, 2)).astype(np.float32)
    batch = (l_norm, np.zeros((batch_size, 1000), np.float32)), ab_norm

    class Noise(keras.utils.PyDataset):
        def __len__(self):
            return steps

        def __getitem__(self, index):
            return batch

        def unaugmented(self, most):
            return self

    return Noise()


def timed(work) -> float:
    """Seconds that `work()` takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def gpu_memory_mib() -> int | None:
    """Device memory in use, MiB: the peak, as long as allocators grow on demand and give nothing back."""
    query = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    try:
        return sum(map(int, subprocess.run(query, capture_output=True, text=True, check=True).stdout.split()))
    except (OSError, subprocess.SubprocessError, ValueError):
        return None


def measure(flags: argparse.Namespace) -> dict:
    """Trains and predicts with one method.

    Args:
        flags: from `parse`, with `measure` set.

    Returns:
        What was measured: images a second, seconds, MiB (2**20 bytes), G multiply-adds.
    """
    import keras

    from colorizer import environment, methods
    from colorizer.config import resolve

    method = methods.get(flags.measure)
    given = {"dataset": "noise", "batch_size": flags.batch_size, "image_size": flags.image_size}
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(flags.precision)
    batches = noise(flags.batch_size, flags.image_size, flags.steps)
    network = method.build(flags.image_size)
    trainer = method.trainer(network, resolve(given, method), noise(flags.batch_size, flags.image_size, 1))
    inputs, _ = batches[0]
    images = flags.batch_size * flags.steps
    compiling = timed(lambda: trainer.fit(noise(flags.batch_size, flags.image_size, 1), verbose=0))
    training = timed(lambda: trainer.fit(batches, verbose=0))
    method.predict_ab(network, *inputs)
    predicting = timed(lambda: [method.predict_ab(network, *inputs) for _ in range(flags.steps)])
    return {
        "method": flags.measure,
        "batch_size": flags.batch_size,
        "image_size": flags.image_size,
        "steps": flags.steps,
        "precision": flags.precision,
        "training_images_per_second": round(images / training, 4),
        "inference_images_per_second": round(images / predicting, 4),
        "first_step_seconds": round(compiling, 2),
        "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,  # Linux counts in KiB
        "gpu_memory_mib": gpu_memory_mib(),
        "parameters": network.count_params(),
        "multiply_adds_g_at_256": method.multiply_adds or None,
        "backend": keras.backend.backend(),
        "compiled_by_xla": trainer.jit_compile,
        "device": environment.device(),
        "versions": environment.versions(),
        "commit": environment.commit(),
    }


def main(argv=None) -> int:
    """Measures the chosen methods one after another; 1 where one of them failed."""
    argv = sys.argv[1:] if argv is None else argv
    flags = parse(argv)
    if flags.measure:
        print(json.dumps(measure(flags)), flush=True)
        return 0
    # Allocators that grow show what is needed and not what there is.
    growing = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    environment = {"TF_CPP_MIN_LOG_LEVEL": "2"} | os.environ | growing
    codes = []
    for name in flags.methods:
        command = [sys.executable, "-m", "benchmarks.methods", "--measure", name, "--precision", flags.precision]
        for option in ("batch_size", "image_size", "steps"):
            command += ["--" + option.replace("_", "-"), str(getattr(flags, option))]
        codes.append(subprocess.run(command, env=environment).returncode)
    return int(any(codes))


if __name__ == "__main__":
    sys.exit(main())
