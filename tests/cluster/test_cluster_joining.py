"""A cluster that cannot be joined is said, with the reason."""

import os

import pytest
from test_cluster import no_ray  # noqa: F401  (it skips this module without Ray)

from colorizer.cluster import __main__ as command
from colorizer.cluster import colorize
from colorizer.errors import UsageError

TRIES = "RAY_NUM_REDIS_GET_RETRIES"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ConnectionError("nobody there"), "nobody there"),
        (Exception("\n  No node info found\nStack: ..."), "No node info found"),
        (AssertionError(), "AssertionError"),
    ],
)
def test_the_address_and_the_reason_are_named(monkeypatch, error, reason):
    def refuses(**_):
        raise error

    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    monkeypatch.setattr("ray.init", refuses)
    with pytest.raises(UsageError, match=f"cannot join the cluster at head:6379, .*: {reason}\n.* the same") as said:
        colorize.connect()
    assert "Stack" not in str(said.value)
    monkeypatch.delenv("RAY_ADDRESS")
    with pytest.raises(UsageError, match=f"^Ray cannot start on this machine: {reason}$"):
        colorize.connect()


@pytest.mark.parametrize(("address", "tries"), [("head:6379", "1"), ("local", None), ("", None)])
def test_where_nobody_answers_ray_tries_once(tmp_path, monkeypatch, address, tries):
    monkeypatch.setenv("RAY_ADDRESS", address)
    monkeypatch.setenv(TRIES, "")
    monkeypatch.delenv(TRIES)
    assert command.main(["colorize", str(tmp_path / "absent"), "-o", str(tmp_path / "out")]) == 2
    assert os.environ.get(TRIES) == tries
    monkeypatch.setenv(TRIES, "7")
    assert command.main(["colorize", str(tmp_path / "absent"), "-o", str(tmp_path / "out")]) == 2
    assert os.environ[TRIES] == "7"
