"""A training on a Ray cluster: what its ranks cannot share is refused, and names stay names."""

import signal
from types import SimpleNamespace

import pytest
from test_cluster import no_ray  # noqa: F401  (it skips this module without Ray)

from colorizer import weights
from colorizer.config import TrainConfig

TRAINED = ("config.json", "last/state.json")
SAVED = "The last complete epoch is saved: continue with the same command and --resume."
NO_EPOCH = "No epoch was done: begin again with the same command and --resume."
NOTHING = "Nothing was trained: begin again with the same command."


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--batch-size", "21"], "a multiple of --ranks 2. Received: 21"),
        (["--image-size", "100"], "Received: 100"),
        (["--run", "s3://bucket/run"], "--run is a folder that all machines see. Received: s3://bucket/run"),
    ],
)
@pytest.mark.usefixtures("no_ray")
def test_a_training_that_ranks_cannot_share_starts_no_ray(tmp_path, monkeypatch, capsys, words, reason):
    from colorizer.cluster import __main__ as command

    monkeypatch.chdir(tmp_path)
    words = ["train", "--ranks", "2", "--", "--dataset", "sample", "--run", str(tmp_path / "run"), *words]
    try:
        status = command.main(words)
    except SystemExit as stop:
        status = stop.code
    assert status == 2 and reason in capsys.readouterr().err


def test_names_stay_names_where_a_folder_has_them_too(tmp_path, monkeypatch):
    from colorizer.cluster import __main__ as command
    from colorizer.cluster import colorize, train

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(weights.PLACE, raising=False)
    for name in (weights.DEFAULT, "none"):
        (tmp_path / name).mkdir()
    words = ["--dataset", "sample", "--run", "r", "--method", "vit_decoder", "--image-size", "224", "--batch-size", "8"]
    flags = command.parse(["train", "--ranks", "2", "--", *words, "--init-weights", weights.DEFAULT])
    assert train._settings(flags, "it")["init_weights"] == weights.DEFAULT
    flags = command.parse(["colorize", "in", "-o", "out", "--classifier", "none"])
    assert colorize._options(flags).classifier == "none"


@pytest.fixture
def training(tmp_path, monkeypatch):
    """Runs the command on a cluster that is none: each try of Ray Train does the next thing of a list."""
    from colorizer.cluster import __main__ as command
    from colorizer.cluster import colorize, nodes, train
    from colorizer.errors import UsageError

    def begin(*tries, lost_after=99, left=()):
        for name in left:  # of the run, by the ranks
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).touch()
        coming, looked, made = iter(tries), [], []

        def fit():
            signal.signal(signal.SIGINT, lambda *_: None)  # as Ray Train does
            if isinstance(step := next(coming), BaseException):
                raise step
            return SimpleNamespace(metrics=step)

        def trainer(_, *, run_config, **about):
            made.append(run_config)
            return SimpleNamespace(fit=fit)

        def require(takes, prog=None, count=1):
            looked.append((takes, count))
            if len(looked) > lost_after:
                raise UsageError("the cluster's nodes have CPU 1.")

        monkeypatch.setattr(train, "DataParallelTrainer", trainer)
        monkeypatch.setattr(nodes, "require", require)
        status = command.main(["train", "--ranks", "2", "--cpus", "3", "--", "--run", str(tmp_path)])
        assert looked == [({"CPU": 3}, 2)] * len(looked) and signal.getsignal(signal.SIGINT) is handler
        assert all(config.failure_config.controller_failure_limit == 0 for config in made)
        return status, len(made)

    handler = signal.getsignal(signal.SIGINT)
    monkeypatch.setenv("RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S", "300")
    monkeypatch.setattr(train, "_settings", lambda *_: {"run": str(tmp_path)})
    monkeypatch.setattr(colorize, "connect", lambda: None)
    monkeypatch.setattr("ray.shutdown", lambda: None)
    yield begin
    signal.signal(signal.SIGINT, handler)


def busy():
    import ray.train
    from ray.train.v2._internal.exceptions import WorkerGroupStartupTimeoutError

    return ray.train.ControllerError(WorkerGroupStartupTimeoutError(2))


def broken():
    import ray.train
    from ray.train.v2._internal.exceptions import WorkerGroupStartupFailedError

    return ray.train.ControllerError(WorkerGroupStartupFailedError("no such module"))


def test_a_training_whose_nodes_are_gone_ends_with_a_reason(training, capsys):
    assert training(busy(), busy(), lost_after=2, left=TRAINED) == (2, 2)
    said = capsys.readouterr().err
    assert f"nodes have CPU 1. {SAVED}" in said


@pytest.mark.parametrize(("left", "advice"), [(TRAINED, SAVED), (TRAINED[:1], NO_EPOCH), ((), NOTHING)])
def test_what_is_advised_is_what_can_be_done(training, capsys, left, advice):
    import ray.train

    for end, status in ((busy(), 2), (ray.train.ControllerError(ValueError("no such thing")), 1), (SystemExit(0), 130)):
        assert training(end, lost_after=1, left=left)[0] == status
        said = capsys.readouterr().err
        assert said.strip().endswith(advice) and [text in said for text in (SAVED, NO_EPOCH, NOTHING)].count(True) == 1


def test_a_training_whose_nodes_are_busy_waits_for_them(training, capsys):
    assert training(busy(), {"loss": 1}) == (0, 2) and capsys.readouterr().out == '{"loss": 1}\n'


def test_ranks_that_always_fail_end_with_their_reason(training, capsys):
    assert training(*[broken()] * 4, busy(), *[broken()] * 9) == (2, 10)
    said = capsys.readouterr().err
    assert "failed to start 5 times in a row. Received: no such module" in said and NOTHING in said


def test_a_classifier_behind_a_prefix_is_absolute_for_the_ranks(tmp_path, monkeypatch):
    from colorizer.cluster import __main__ as command
    from colorizer.cluster import colorize, train

    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.keras").touch()
    monkeypatch.setattr("colorizer.cli.train.configuration", lambda given, resume: TrainConfig(**given))
    words = ["--dataset", "sample", "--run", "r", "--classifier", "shuffled:small.keras"]
    flags = command.parse(["train", "--ranks", "2", "--", *words])
    assert train._settings(flags, "it")["classifier"] == f"shuffled:{tmp_path / 'small.keras'}"
    flags = command.parse(["colorize", "in", "-o", "out", "--classifier", "logits:small.keras"])
    assert colorize._options(flags).classifier == f"logits:{tmp_path / 'small.keras'}"


def test_curves_lie_where_the_command_was_typed(tmp_path, monkeypatch):
    from colorizer.cluster import __main__ as command
    from colorizer.cluster import train

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("colorizer.cli.train.configuration", lambda given, resume: TrainConfig(**given))
    for typed, told in (("curves", str(tmp_path / "curves")), ("gs://bucket/curves", "gs://bucket/curves")):
        flags = command.parse(["train", "--ranks", "2", "--", "--run", "r", "--tensorboard", typed])
        assert train._settings(flags, "it")["tensorboard"] == told


def test_another_mistake_of_the_controller_ends_a_training(training, capsys):
    import ray.train

    assert training(ray.train.ControllerError(ValueError("no such thing"))) == (1, 1)
    assert "no such thing" in capsys.readouterr().err


def test_an_interrupted_training_says_how_it_goes_on(training, capsys):
    assert training(SystemExit(0), left=TRAINED) == (130, 1)
    assert f"interrupted. {SAVED}" in capsys.readouterr().err
