"""Training on several devices: the graphics cards of one machine, or of as many machines as run the same command.

    none       one device
    mirrored   every GPU of this machine, by TensorFlow's MirroredStrategy
    jax        every device of this machine, by JAX and `keras.distribution.DataParallel`; of several machines where
               the command is started once for each process and `VARIABLES` say which one it is

Each rank (process) computes the gradient of its share of a batch and all add them up, so all hold the same weights
after every step; a checksum says so after every epoch. Rank 0 alone writes the run's record and the others read it:
the run's folder lies where all can read it. With `augment.py` this is the only file that imports a backend.

Source: `keras.distribution`; what each line marked TRICKY says was found by trying.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import logging
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import keras
import numpy as np

from colorizer import environment
from colorizer.errors import LostRank, StrategyError

log = logging.getLogger(__name__)

_STATUS = re.compile("(UNKNOWN|INTERNAL|UNAVAILABLE|ABORTED|CANCELLED|DEADLINE_EXCEEDED|FAILED_PRECONDITION): ")

# Keras' own names for them: host:port of rank 0, how many processes, which one this is.
VARIABLES = tuple(f"KERAS_DISTRIBUTION_{name}" for name in ("JOB_ADDRESSES", "NUM_PROCESSES", "PROCESS_ID"))
HEARTBEAT = 10  # seconds without a sign of life after which a rank is lost; JAX' own 100 leave people waiting
SHUTDOWN = 60  # seconds for all ranks to come to the end


@dataclass(frozen=True)
class Group:
    """The processes and devices that train one network; by itself, one process with one device.

    Attributes:
        rank: this process, from 0.
        ranks: how many processes there are.
        devices: of all of them together.
        scope: () -> a context in which the network is built and trained.
    """

    rank: int = 0
    ranks: int = 1
    devices: int = 1
    scope: Callable[[], contextlib.AbstractContextManager] = contextlib.nullcontext

    @property
    def part(self) -> tuple[int, int, int]:
        """(rank, ranks, devices): what `batches.Batches` must know."""
        return self.rank, self.ranks, self.devices

    def require(self, *counts: int) -> None:
        """Raises StrategyError unless there are as many training and as many validation pictures as devices."""
        if min(counts) < self.devices:
            raise StrategyError(
                f"Every device needs a picture to train on and one to validate with, and there are {self.devices}. "
                f"Received: {' and '.join(map(str, counts))} pictures"
            )

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """In it, a failure of the ranks to compute together is a `LostRank` and no backend's exception."""
        # One process: there is nobody to wait for, and JAX need not be there.
        if self.ranks == 1:
            yield
            return
        import jax

        try:
            yield
        except (jax.errors.JaxRuntimeError, ValueError) as error:
            # TRICKY: some of XLA's failures reach Python as plain ValueErrors, which begin with a status code.
            if type(error) is ValueError and not _STATUS.match(str(error)):
                raise
            # TRICKY: at its exit JAX waits for the lost rank, then aborts. This comes before that, with status 1.
            atexit.register(os._exit, 1)
            raise LostRank(
                f"rank {self.rank} of {self.ranks} can no longer compute with the others; one of them has most "
                f"likely ended ({str(error).splitlines()[0][:200]}). Start all ranks again."
            ) from error

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """In it, this rank does something alone, such as saving.

        TRICKY: saving makes variables; on the mesh that all share, the others would have to make them too.
        """
        before = keras.distribution.distribution()
        keras.distribution.set_distribution(None)
        try:
            yield
        finally:
            keras.distribution.set_distribution(before)

    def wait(self, name: str) -> None:
        """Waits until all ranks have come to the same `name`."""
        if self.ranks > 1:
            from jax.experimental import multihost_utils

            multihost_utils.sync_global_devices(name)

    def agree(self, value: int) -> int:
        """Rank 0's value: clocks differ, and ranks that end in different epochs wait for each other for ever."""
        if self.ranks == 1:
            return value
        from jax.experimental import multihost_utils

        return int(multihost_utils.broadcast_one_to_all(np.int32(value)))

    def checksum(self, model: keras.Model) -> str | None:
        """The first 12 hexadecimal digits of the weights' sha256, the same on every rank; None for one rank.

        Raises:
            LostRank: the ranks hold different weights; their training is no longer one.
        """
        if self.ranks == 1:
            return None
        from jax.experimental import multihost_utils

        digest = hashlib.sha256()
        for variable in model.trainable_variables:
            digest.update(np.ascontiguousarray(keras.ops.convert_to_numpy(variable)).tobytes())
        # As eight numbers of 32 bits: what ranks exchange are arrays.
        mine = np.frombuffer(digest.digest(), np.uint32)
        of_all = multihost_utils.process_allgather(mine)
        if (of_all != mine).any():
            hashes = ", ".join(one.tobytes().hex()[:12] for one in of_all)
            raise LostRank(
                f"the {self.ranks} ranks hold different weights (sha256 {hashes}): they no longer train one network"
            )
        # 48 bits: two different states agree by chance once in 10^14.
        return digest.hexdigest()[:12]

    def end(self) -> None:
        """Lets the ranks go: from here on each is alone. All of them must come here."""
        if self.ranks > 1:
            import jax

            # All ranks must be here before the first one goes: the service lives in rank 0.
            self.wait("end")
            jax.distributed.shutdown()


def start(name: str, batch_size: int) -> Group:
    """Finds the devices, and the other ranks where there are some. Nothing may have been computed before.

    Args:
        name: one of `config.STRATEGIES`.
        batch_size: images in one step of all devices together.

    Returns:
        The `Group`.

    Raises:
        StrategyError: the backend is another's, the batch does not divide, or the variables are not what they must be.
    """
    # Set and not empty: a launcher may export empty ones.
    variables = [variable for variable in VARIABLES if os.environ.get(variable)]
    if variables and name != "jax":
        raise StrategyError(
            f"{', '.join(variables)} start a training of several processes, and that is --strategy jax; any other "
            f"would train as many networks into one folder. Received: --strategy {name}"
        )
    if name == "none":
        return Group()
    environment.check_strategy(name)
    group = _mirrored() if name == "mirrored" else _jax()
    # A share that is smaller than the others would weigh its pictures more in the mean gradient.
    if batch_size % group.devices:
        raise StrategyError(
            f"--batch-size is that of all devices together, and each takes the same share: a multiple of "
            f"{group.devices}. Received: --batch-size {batch_size}"
        )
    log.info("%s: rank %d of %d, %d devices in all", name, group.rank, group.ranks, group.devices)
    return group


def _mirrored() -> Group:
    """Every GPU of this machine; where there is none, its CPUs as TensorFlow counts them: one."""
    import tensorflow as tf  # here alone: Keras has no way of its own to MirroredStrategy, and JAX needs none of it

    # Logical ones: a person may have split a card, or hidden one.
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    strategy = tf.distribute.MirroredStrategy([device.name for device in devices])
    return Group(devices=len(devices), scope=strategy.scope)


def _jax() -> Group:
    """Every device of this machine, or of all ranks."""
    import jax

    address, ranks, rank = _of_variables()
    if ranks > 1:
        # TRICKY: the service for machines that may be taken away catches SIGTERM, and nothing happens then.
        jax.config.update("jax_enable_preemption_service", False)
        # Not `keras.distribution.initialize`: it lets rank 0 listen on every network, without asking who calls,
        # and a lost rank is noticed after minutes.
        jax.distributed.initialize(
            address,
            ranks,
            rank,
            cluster_detection_method="deactivate",
            coordinator_bind_address=address,
            heartbeat_timeout_seconds=HEARTBEAT,
            shutdown_timeout_seconds=SHUTDOWN,
        )
        _leave_word(rank, ranks)
    if jax.process_count() != ranks:
        raise StrategyError(
            f"Every rank must see all of them, or each trains a network of its own. Received: {jax.process_count()} "
            f"of {ranks}"
        )
    devices = jax.device_count()
    if jax.local_device_count() * ranks != devices:
        raise StrategyError(
            f"Every rank has as many devices as the others. Received: {jax.local_device_count()} here, {devices} in "
            f"all {ranks} ranks"
        )
    # Our batches are shared out already, by `Group.part`.
    distribution = keras.distribution.DataParallel(auto_shard_dataset=False)
    return Group(rank, ranks, devices, distribution.scope)


def _of_variables() -> tuple[str | None, int, int]:
    """(address, ranks, rank) by the variables; (None, 1, 0) without them."""
    values = [os.environ.get(variable, "") for variable in VARIABLES]
    if not any(values):
        return None, 1, 0
    addresses, ranks, rank = values
    # Keras takes a list of all ranks; the first is rank 0's, and only that is needed.
    address = addresses.split(",")[0]
    # Ranks count from 0, as in Keras' own variables.
    numbers = ranks.isdecimal() and rank.isdecimal() and 0 <= int(rank) < int(ranks)
    if not numbers or not address.rpartition(":")[0] or not address.rpartition(":")[2].isdecimal():
        received = ", ".join(f"{name}={value!r}" for name, value in zip(VARIABLES, values, strict=True))
        raise StrategyError(
            f"Several processes need all three of {VARIABLES[0]} (host:port of rank 0), {VARIABLES[1]} and "
            f"{VARIABLES[2]} (from 0 on). Received: {received}"
        )
    return address, int(ranks), int(rank)


def _leave_word(rank: int, ranks: int) -> None:
    """Says that the run can be resumed, should this process end without being able to say anything.

    TRICKY: where another rank falls silent, JAX ends this process in the middle of whatever it does. A shell that
    waits for the end of a pipe outlives it.
    """
    word = f"rank {rank} of {ranks} ended before the run did: start all ranks again, with --resume"
    try:
        witness = subprocess.Popen(
            ["sh", "-c", 'read -r word || echo "$0" >&2', word], stdin=subprocess.PIPE, start_new_session=True
        )
    except OSError:  # no shell: then without the word
        return
    atexit.register(witness.communicate, b"done\n")
