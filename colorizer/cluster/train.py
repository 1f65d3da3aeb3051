"""A training with `--strategy jax` whose ranks Ray Train starts, and restarts when some are lost.

A rank computes what `train.py` does. All machines must see the run's folder under the same path: a restarted rank
resumes from the last complete epoch there.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import ray
import ray.train
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

from colorizer import weights
from colorizer.classifiers import classifier
from colorizer.cluster import colorize, nodes
from colorizer.config import LAST, SUMMARY
from colorizer.data import datasets
from colorizer.errors import UsageError
from colorizer.training import run_folders

try:
    from ray.train.v2._internal import exceptions

    # What Ray Train says where ranks cannot start: nodes are lost or busy. It tries again for ever by itself.
    FAILED, TIMED_OUT = exceptions.WorkerGroupStartupFailedError, exceptions.WorkerGroupStartupTimeoutError
    ONCE = {"controller_failure_limit": 0}
    ray.train.FailureConfig(**ONCE), ray.train.ControllerError
except (ImportError, AttributeError, TypeError):  # another version of Ray: it waits as it likes
    FAILED, TIMED_OUT, ONCE = (), (), {}
STARTS = 5  # failures in a row between which no node was waited for: something is wrong with the ranks


def rank(settings: dict) -> None:
    """One rank, in a worker of its own.

    Args:
        settings: the fields of a `TrainConfig`.
    """
    # Not Ray's JaxTrainer: it leaves ranks on CPUs unconnected, each with a network of its own.
    from ray.train.collective import broadcast_from_rank_zero

    from colorizer.training import distribution

    context = ray.train.get_context()
    # Rank 0's address on the cluster's network: nothing listens anywhere else.
    address = broadcast_from_rank_zero(f"{ray.util.get_node_ip_address()}:{_free_port()}")
    if context.get_world_size() > 1:
        values = address, str(context.get_world_size()), str(context.get_world_rank())
        os.environ |= dict(zip(distribution.VARIABLES, values, strict=True))
    from colorizer import config
    from colorizer.training import loop, run_record

    chosen = config.TrainConfig(**settings)
    summary = loop.run(chosen, resume=run_record.Record(chosen.run).config() is not None)
    ray.train.report(summary or {"rank": context.get_world_rank()})  # a barrier: every rank comes here


def _free_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.socket() as free:
        free.bind((ray.util.get_node_ip_address(), 0))
        return free.getsockname()[1]


def _settings(flags, prog: str) -> dict:
    """The fields of a `TrainConfig` for every rank; places are absolute, since ranks begin in another folder.

    Raises:
        ColorizerError: a flag is wrong, or the data set or the run's folder cannot be used.
    """
    from colorizer.cli import train

    given, resume = train.parse([flag for flag in flags.flags if flag != "--"], prog=f"{prog} train --ranks N --")
    if "://" in given.get("run", ""):
        raise UsageError(f"--run is a folder that all machines see. Received: {given['run']}, the address of a bucket.")
    given["strategy"] = "jax"
    chosen = train.configuration(given, resume)
    dataset = datasets.absolute(chosen.dataset)
    if chosen.batch_size % flags.ranks:
        raise UsageError(
            f"--batch-size is that of all ranks together: a multiple of --ranks {flags.ranks}. "
            f"Received: {chosen.batch_size}"
        )
    settings = asdict(chosen) | {"run": str(Path(chosen.run).resolve()), "dataset": dataset}
    settings["classifier"] = classifier.absolute(chosen.classifier)
    for name in ("data_dir", "labels", "init_weights"):
        place = Path(settings.get(name) or "")
        # A folder may have the name of shipped weights, or be called none: names stay names.
        exists = place.is_dir() if name == "data_dir" else place.is_file() or (place / weights.BEST).is_file()
        if settings.get(name) and exists:
            settings[name] = str(place.resolve())
    if chosen.tensorboard and "://" not in chosen.tensorboard:
        settings["tensorboard"] = str(Path(chosen.tensorboard).resolve())
    return settings


def how_to_continue(run: str) -> str:
    """What is left of a training that did not end, and the command that continues it.

    Args:
        run: its folder.
    """
    if run_folders.has_state(run):
        return "The last complete epoch is saved: continue with the same command and --resume."
    if run_folders.holds_run(run):
        return "No epoch was done: begin again with the same command and --resume."
    return "Nothing was trained: begin again with the same command."


def _fit(trainer: Callable[[], DataParallelTrainer], require: Callable[[], None], run: str) -> ray.train.Result:
    """Trains, and tries again where ranks cannot start because nodes are busy or only coming.

    Args:
        trainer: makes one for each try.
        require: raises where the nodes are gone for good.
        run: folder of the run, for messages.

    Raises:
        UsageError: of `require`; or the ranks failed to start `STARTS` times in a row.
        KeyboardInterrupt: Ctrl-C.
    """
    # Ray Train's own handler of Ctrl-C stays in place after it ends, and exits in silence.
    handler = signal.getsignal(signal.SIGINT)
    failures = 0
    while True:
        try:
            return trainer().fit()
        except SystemExit:  # of that handler
            raise KeyboardInterrupt from None
        except Exception as error:
            reason = getattr(error, "controller_failure", None)
            if isinstance(reason, TIMED_OUT):
                failures = 0
            elif isinstance(reason, FAILED):
                failures += 1
            else:
                raise
            if failures == STARTS:
                message = (
                    f"the ranks failed to start {failures} times in a row. Received: {reason}. {how_to_continue(run)}"
                )
                raise UsageError(message) from error
        finally:
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGINT, handler)
        try:
            require()
        except UsageError as error:
            raise UsageError(f"{error} {how_to_continue(run)}") from None


def main(flags, prog: str) -> int:
    """The command `train`: returns the exit status.

    Raises:
        ColorizerError: see `_settings`; or no nodes have what the ranks ask for.
    """
    settings = _settings(flags, prog)
    takes = nodes.takes_of(flags)
    os.environ.setdefault("RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S", str(colorize.PATIENCE))
    colorize.connect()
    try:
        nodes.require(takes, prog, flags.ranks)
        ended = _fit(
            # Anew each time: the record says whether a rank resumes.
            lambda: DataParallelTrainer(
                rank,
                train_loop_config=settings,
                scaling_config=ray.train.ScalingConfig(
                    num_workers=flags.ranks,
                    use_gpu=flags.gpus > 0,
                    resources_per_worker=takes,
                ),
                run_config=ray.train.RunConfig(
                    name="ray",
                    storage_path=str(Path(settings["run"]) / LAST),
                    failure_config=ray.train.FailureConfig(max_failures=flags.restarts, **ONCE),
                    worker_runtime_env={"env_vars": {"KERAS_BACKEND": "jax"}},
                ),
            ),
            lambda: nodes.require(takes, prog, flags.ranks),
            settings["run"],
        )
    except UsageError:
        raise
    except KeyboardInterrupt:
        print(f"\n{prog}: interrupted. {how_to_continue(settings['run'])}", file=sys.stderr)
        return 130
    except Exception as error:  # Ray wraps whatever ended the ranks
        print(f"{prog}: {error}\n{how_to_continue(settings['run'])}", file=sys.stderr)
        return 1
    finally:
        ray.shutdown()
    summary = Path(settings["run"]) / SUMMARY
    print(summary.read_text(encoding="utf-8") if summary.is_file() else json.dumps(ended.metrics))
    return 0
