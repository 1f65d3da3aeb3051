"""A training on a Ray cluster: what its ranks cannot share is refused, and names stay names."""

import pytest
from test_cluster import no_ray  # noqa: F401  (it skips this module without Ray)

from colorizer import weights


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
