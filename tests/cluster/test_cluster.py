"""Archives on a Ray cluster: two nodes on loopback, one of them taken away; photographs that kill their worker."""

import importlib.util
import os
import signal
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import draw_picture
from PIL import Image
from test_colorize import run  # noqa: F401  (a fixture: a run's folder with one colour everywhere)

from colorizer import atomic_files, photos

if importlib.util.find_spec("ray") is None:
    pytest.skip('Ray is not installed: pip install -e ".[ray]" -c constraints.txt', allow_module_level=True)

# Ray's own warnings are no errors of ours.
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.xdist_group("ray")]


def album(folder: Path, count: int) -> Path:
    for index in range(count):
        path = folder / f"{index % 3}" / f"{index:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw_picture(index, 48, 64)).save(path)
    return folder


@pytest.fixture
def cluster(monkeypatch):
    """Two nodes with a core each; the second can be taken away."""
    import ray
    from ray.cluster_utils import Cluster

    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    found = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    found.second = found.add_node(num_cpus=1)
    ray.init(address=found.address, log_to_driver=False)
    yield found
    ray.shutdown()
    found.shutdown()


def test_places_are_those_of_colorize_py_and_the_output_inside_is_left_out(tmp_path):
    from colorizer.cluster import colorize

    source = album(tmp_path / "in", 3)
    Image.fromarray(draw_picture(1)).save(source / "moving.gif")
    album(source / "out", 2)
    pairs = colorize.pairs_of(str(source), str(source / "out"))
    assert pairs == [
        *((f"{source}/{i}/{i:03d}.png", f"{source}/out/{i}/{i:03d}.png") for i in range(3)),
        (f"{source}/moving.gif", f"{source}/out/moving.png"),
    ]
    with pytest.raises(ValueError, match="another folder"):
        colorize.pairs_of(str(source), str(source))
    with pytest.raises(ValueError, match="no photos"):
        colorize.pairs_of(str(tmp_path / "absent"), str(source))


def test_a_bucket_is_a_folder(tmp_path, run):  # noqa: F811
    import fsspec

    from colorizer.cluster import colorize

    bucket = fsspec.filesystem("memory")
    content = next(album(tmp_path, 1).rglob("*.png")).read_bytes()
    bucket.pipe({"/in/a/one.png": content, "/in/two.png": content, "/in/text.png": b"no picture"})
    pairs = colorize.pairs_of("memory://in", "memory://out")
    options = colorize.Options(str(run))
    outcomes = colorize.chunk(pairs, options)
    assert [bool(outcome.error) for outcome in outcomes] == [False, True, False]
    assert sorted(bucket.find("/out")) == ["/out/a/one.png", "/out/two.png"]
    (tmp_path / "got.png").write_bytes(bucket.cat("/out/two.png"))
    assert photos.read(tmp_path / "got.png").rgb.shape == (48, 64, 3)
    assert [outcome.skipped for outcome in colorize.chunk(pairs, options)] == [True, False, True]


def test_a_node_that_is_taken_away_costs_no_photo(tmp_path, cluster, run):  # noqa: F811
    from colorizer.cluster import colorize
    from colorizer.inference import colorizer

    source, output = album(tmp_path / "in", 300), tmp_path / "out"
    pairs = colorize.pairs_of(str(source), str(output))
    outcomes, work = [], partial(colorize.chunk, options=colorize.Options(str(run)))
    for outcome in colorize.run(pairs, work, size=20):
        outcomes.append(outcome)
        if len(outcomes) == 140:
            cluster.remove_node(cluster.second, allow_graceful=False)
    assert sorted(outcome.target for outcome in outcomes) == sorted(target for _, target in pairs)
    assert not [outcome for outcome in outcomes if outcome.error]
    made = [path for path in output.rglob("*") if path.is_file()]
    assert len(made) == 300 and not [path for path in made if path.name.startswith(".")]
    alone = [(source, str(target).replace(str(output), str(tmp_path / "alone"))) for source, target in pairs]
    assert not [outcome for outcome in colorizer.Colorizer.load(run).colorize_files(alone) if outcome.error]
    for (_, target), (_, expected) in zip(pairs, alone, strict=True):
        np.testing.assert_array_equal(photos.read(target).rgb, photos.read(expected).rgb)


def test_a_photo_that_kills_its_worker_fails_alone(tmp_path, cluster, run):  # noqa: F811
    from colorizer.cluster import colorize

    pairs = colorize.pairs_of(str(album(tmp_path / "in", 12)), str(tmp_path / "out"))
    poison = pairs[4][0]
    options = colorize.Options(str(run))

    def work(some):
        for source, target in some:
            if source == poison:
                with atomic_files.replacing(target) as part:
                    part.write_bytes(b"half a photograph")
                    os.kill(os.getpid(), signal.SIGKILL)
        return colorize.chunk(some, options)

    outcomes = list(colorize.run(pairs, work, size=6))
    failed = [outcome for outcome in outcomes if outcome.error]
    assert len(outcomes) == 12 and [outcome.source for outcome in failed] == [poison]
    assert failed[0].error.startswith("its worker was lost 3 times")
    assert sorted(path.name for path in (tmp_path / "out").rglob(".*")) == []


def test_the_report_has_a_row_for_each_photo_and_keeps_those_of_earlier_runs(tmp_path):
    from colorizer.cluster import colorize

    def row(name, status, seconds=0.0):
        return {"file": name, "target": "t", "seconds": seconds, "status": status, "reason": ""}

    colorize.write_report([row("a", "done", 2.0), row("b", "failed")], str(tmp_path / "out"))
    colorize.write_report([row("a", "skipped"), row("b", "done", 1.0)], str(tmp_path / "out"))
    table = pd.read_parquet(tmp_path / "out" / colorize.REPORT)
    assert table[["file", "status", "seconds"]].values.tolist() == [["a", "done", 2.0], ["b", "done", 1.0]]


def test_wrong_flags_have_status_2(tmp_path, capsys):
    from colorizer.cluster import __main__ as command

    with pytest.raises(SystemExit, match="2"):
        command.main(["colorize", "a", "b", "--chunk", "0"])
    assert command.main(["colorize", str(tmp_path), str(tmp_path / "out")]) == 2
    assert "no photos" in capsys.readouterr().err
