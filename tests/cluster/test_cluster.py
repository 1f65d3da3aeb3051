"""Archives on a Ray cluster: two nodes on loopback, one of them taken away; photographs that kill their worker."""

import hashlib
import importlib.util
import json
import os
import shutil
import signal
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import draw_picture
from PIL import Image
from test_colorize import SIZE, run  # noqa: F401  (a fixture: a run's folder with one color everywhere)

from colorizer import atomic_files, photos, weights
from colorizer.inference import engine

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


@pytest.fixture(scope="module")
def light_run(run, tmp_path_factory):  # noqa: F811
    """The run with a graph for ONNX Runtime, where the package onnx is here: workers start faster than with Keras."""
    if importlib.util.find_spec("onnx") is None:
        return run
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    folder = Path(shutil.copytree(run, tmp_path_factory.mktemp("light") / "run"))
    arrays = {"none": np.zeros((1, 1, 1, 2), np.float32), "color": np.full((1, 1, 1, 2), [0.2, 0.1], np.float32)}
    graph = helper.make_graph(
        [helper.make_node("Mul", [engine.INPUT, "none"], ["gray"]), helper.make_node("Add", ["gray", "color"], ["ab"])],
        "one_color",
        [helper.make_tensor_value_info(engine.INPUT, TensorProto.FLOAT, (1, SIZE, SIZE, 1))],
        [helper.make_tensor_value_info("ab", TensorProto.FLOAT, (1, SIZE, SIZE, 2))],
        [numpy_helper.from_array(values, name) for name, values in arrays.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    made_for = hashlib.sha256((folder / weights.BEST).read_bytes()).hexdigest()
    for key, value in {"looks": "", "smoothing": "", "weights_sha256": made_for}.items():
        model.metadata_props.add(key=key, value=value)
    onnx.save(model, folder / engine.FILE)
    return str(folder)


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
    from colorizer.errors import UsageError

    source = album(tmp_path / "in", 3)
    Image.fromarray(draw_picture(1)).save(source / "moving.gif")
    album(source / "out", 2)
    found = colorize.list_album(str(source), str(source / "out"))
    assert found.pairs == [
        *((f"{source}/{i}/{i:03d}.png", f"{source}/out/{i}/{i:03d}.png") for i in range(3)),
        (f"{source}/moving.gif", f"{source}/out/moving.gif.png"),
    ]
    assert found.sizes == {name: Path(name).stat().st_size for name, _ in found.pairs}
    copies = [target for _, target in colorize.list_album(str(source), str(tmp_path / "out"), "webp").pairs]
    assert copies[0] == f"{tmp_path}/out/0/000.png.webp"
    with pytest.raises(UsageError, match="another folder"):
        colorize.list_album(str(source), str(source))
    with pytest.raises(UsageError, match="no such file or folder: .*absent"):
        colorize.list_album(str(tmp_path / "absent"), str(source))


def test_a_bucket_is_a_folder(tmp_path, run):  # noqa: F811
    import fsspec

    from colorizer.cluster import colorize

    bucket = fsspec.filesystem("memory")
    content = next(album(tmp_path, 1).rglob("*.png")).read_bytes()
    bucket.pipe({"/in/a/one.png": content, "/in/two.png": content, "/in/text.png": b"no picture"})
    pairs = colorize.list_album("memory://in", "memory://out").pairs
    options = colorize.Options(str(run))
    outcomes = colorize.chunk(pairs, options)
    assert [bool(outcome.error) for outcome in outcomes] == [False, True, False]
    assert sorted(bucket.find("/out")) == ["/out/a/one.png", "/out/two.png"]
    (tmp_path / "got.png").write_bytes(bucket.cat("/out/two.png"))
    assert photos.read(tmp_path / "got.png").rgb.shape == (48, 64, 3)
    assert [outcome.skipped for outcome in colorize.chunk(pairs, options)] == [True, False, True]


def test_sidecars_steer_their_photos_in_folders_and_buckets(tmp_path, run):  # noqa: F811
    import fsspec

    from colorizer import Hint, color
    from colorizer.cluster import colorize
    from colorizer.steering import sidecar

    hint = Hint(30, 20, "#3050a0")
    bucket = fsspec.filesystem("memory")
    content = next(album(tmp_path / "one", 1).rglob("*.png")).read_bytes()
    (tmp_path / "in").mkdir()
    for place, write in (("memory://hinted", bucket.pipe_file), (str(tmp_path / "in"), _write)):
        for name, text in (("a.png", sidecar.text_of([hint], 48, 64)), ("b.png", None), ("c.png", "{")):
            path = f"{place.removeprefix('memory:/')}/{name}"
            write(path, content)
            if text:
                write(f"{path}{sidecar.ENDING}", text.encode())
    for place in ("memory://hinted", str(tmp_path / "in")):
        pairs = colorize.list_album(place, str(tmp_path / f"out-{place[:6] == 'memory'}")).pairs
        assert len(pairs) == 3
        outcomes = colorize.chunk(pairs, colorize.Options(str(run), hints=True))
        assert [bool(outcome.error) for outcome in outcomes] == [False, False, True] and "JSON" in outcomes[2].error
        ab = [color.rgb_to_lab(photos.read(outcome.target).rgb)[20, 30, 1:] for outcome in outcomes[:2]]
        assert np.linalg.norm(ab[0] - hint.ab) < 6 < np.linalg.norm(ab[1] - hint.ab)


def _write(path, content):
    Path(path).write_bytes(content)


def test_links_to_themselves_and_names_that_are_no_text_fail_alone_or_not_at_all(tmp_path, run):  # noqa: F811
    from colorizer.cluster import colorize
    from colorizer.cluster.report import NAME, Report

    source, output = album(tmp_path / "in", 1), tmp_path / "out"
    name = os.fsdecode(b"gr\xe9y.png")
    os.rename(source / "0/000.png", source / name)
    (source / "loop.png").symlink_to("loop.png")
    (source / "up").symlink_to("..")
    found = colorize.list_album(str(source), str(output))
    assert [Path(place).name for place, _ in found.pairs] == [name, "loop.png"]
    outcomes = colorize.chunk(found.pairs, colorize.Options(run))
    assert [outcome.error for outcome in outcomes] == [None, "cannot be read: Too many levels of symbolic links"]
    Report(str(output), found.sizes).write(outcomes)
    assert list(pd.read_parquet(output / NAME)["status"]) == ["done", "failed"]
    assert Report(str(output), found.sizes).existing(*found.pairs[0]) == (f"{source}/gr\\udce9y.png", True, False)


def test_a_node_that_is_taken_away_costs_no_photo(tmp_path, cluster, light_run):
    from colorizer.cluster import colorize
    from colorizer.inference import colorizer

    source, output = album(tmp_path / "in", 48), tmp_path / "out"
    pairs = colorize.list_album(str(source), str(output)).pairs
    outcomes, work = [], partial(colorize.chunk, options=colorize.Options(light_run))
    for outcome in colorize.run(pairs, work, size=4):
        outcomes.append(outcome)
        if len(outcomes) == 16:
            cluster.remove_node(cluster.second, allow_graceful=False)
    assert sorted(outcome.target for outcome in outcomes) == sorted(target for _, target in pairs)
    assert not [outcome for outcome in outcomes if outcome.error or outcome.skipped]
    made = [path for path in output.rglob("*") if path.is_file()]
    assert len(made) == 48 and not [path for path in made if path.name.startswith(".")]
    alone = [(source, str(target).replace(str(output), str(tmp_path / "alone"))) for source, target in pairs]
    assert not [outcome for outcome in colorizer.Colorizer.load(light_run).colorize_files(alone) if outcome.error]
    for (_, target), (_, expected) in zip(pairs, alone, strict=True):
        np.testing.assert_array_equal(photos.read(target).rgb, photos.read(expected).rgb)


def test_what_no_node_has_is_refused_instead_of_waited_for(cluster, capsys):
    from colorizer.cluster import __main__ as command
    from colorizer.cluster import nodes
    from colorizer.errors import UsageError

    nodes.require({"CPU": 1}, "it")
    nodes.require({"CPU": 0}, "it")
    nodes.require({"CPU": 0.1}, "it", count=20)
    for words, asked in (
        (["--resources", "scaner=1"], "CPU 1, scaner 1"),
        (["--gpus", "1"], "CPU 1, GPU 1"),
        (["--cpus", "2"], "CPU 2"),
    ):
        takes = nodes.takes_of(command.parse(["colorize", "in", "-o", "out", *words]))
        with pytest.raises(UsageError, match=rf"nodes have 2 x \(CPU 1\). Received: {asked}, from --cpus"):
            nodes.require(takes, "it")
    with pytest.raises(UsageError, match=r"Received: 3 x \(CPU 1\)"):
        nodes.require({"CPU": 1}, "it", count=3)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("label", "types", "grows"),
    [
        ({}, None, False),
        ({}, {"ab12": "node_ab12"}, False),
        ({}, {"ab12": "ray.head.default"}, True),
        ({"ray.io/node-group": "headgroup"}, None, True),
    ],
)
def test_where_an_autoscaler_may_add_nodes_it_only_warns(monkeypatch, capsys, label, types, grows):
    from colorizer.cluster import nodes
    from colorizer.errors import UsageError

    status = types and json.dumps({"autoscaler_report": {"node_type_mapping": types}}).encode()
    monkeypatch.setattr("ray.nodes", lambda: [{"Alive": True, "Resources": {"CPU": 4.0}, "Labels": label}])
    monkeypatch.setattr("ray.experimental.internal_kv._internal_kv_get", lambda key: status)
    if grows:
        nodes.require({"GPU": 1}, "it")
        assert "Received: GPU 1" in (said := capsys.readouterr().err) and "until the autoscaler adds nodes" in said
    else:
        with pytest.raises(UsageError, match="nodes have CPU 4. Received: GPU 1"):
            nodes.require({"GPU": 1}, "it")


def test_a_batch_that_no_node_can_run_ends_at_once(tmp_path, cluster, run, monkeypatch, capsys):  # noqa: F811
    from colorizer.cluster import __main__ as command
    from colorizer.cluster import colorize

    monkeypatch.setattr(colorize, "connect", lambda: None)
    source = str(album(tmp_path / "in", 1))
    words = ["colorize", source, "-o", str(tmp_path / "out"), "--weights", run, "--resources", "scaner=1"]
    assert command.main(words) == 2 and "Received: CPU 1, scaner 1" in capsys.readouterr().err


def test_a_node_that_alone_had_a_resource_is_not_waited_for(cluster, monkeypatch):
    from colorizer.cluster import colorize
    from colorizer.errors import UsageError

    monkeypatch.setattr(colorize, "PATIENCE", 1)
    third = cluster.add_node(num_cpus=1, resources={"scanner": 1})
    taken = lambda pairs: [colorize.Outcome(*pair) for pair in pairs]  # noqa: E731
    outcomes = colorize.run([("1", "1"), ("2", "2")], taken, size=1, resources={"scanner": 1})
    assert {next(outcomes).source, next(outcomes).source} == {"1", "2"}
    cluster.remove_node(third)
    with pytest.raises(UsageError, match="nodes have .* Received: .*scanner 1"):
        list(colorize.run([("1", "1")], taken, size=1, resources={"scanner": 1}))


def test_a_photo_that_kills_its_worker_fails_alone(tmp_path, cluster, light_run):
    from colorizer.cluster import colorize

    pairs = colorize.list_album(str(album(tmp_path / "in", 12)), str(tmp_path / "out")).pairs
    poison = pairs[4][0]
    options = colorize.Options(light_run)

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


@pytest.fixture
def no_ray(monkeypatch):
    """Fails where Ray would start."""
    from colorizer.cluster import colorize

    monkeypatch.setattr(colorize, "connect", lambda: pytest.fail("Ray was started"))


def test_results_that_exist_start_no_ray(tmp_path, run, no_ray, capsys):  # noqa: F811
    from colorizer.cluster import __main__ as command

    album(tmp_path / "in", 4), album(tmp_path / "out", 4)
    words = ["colorize", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--weights", run]
    assert command.main(words) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[-1] == "0 done, 4 skipped, 0 failed" and "exists already: skipped" in out[0]


def test_dry_run_starts_no_ray_and_writes_nothing(tmp_path, run, no_ray, capsys):  # noqa: F811
    from colorizer.cluster import __main__ as command

    album(tmp_path / "in", 4), album(tmp_path / "out", 3)
    before = sorted(tmp_path.rglob("*"))
    words = ["colorize", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--weights", run, "--dry-run"]
    assert command.main(words) == 0 and sorted(tmp_path.rglob("*")) == before
    out = capsys.readouterr().out.splitlines()
    assert out[-2:] == [
        f"{tmp_path}/in/0/003.png -> {tmp_path}/out/0/003.png",
        "1 to colorize, 3 to skip, 0 would fail",
    ]
    assert command.main([*words, "--overwrite", "--format", "jpeg"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "4 to colorize, 0 to skip, 0 would fail"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["IN", "-o", "OUT", "--chunk", "0"], "--chunk is at least 1. Received: 0"),
        (["IN", "-o", "OUT", "--strength", "2"], "--strength lies between 0 and 1. Received: 2.0"),
        (["IN", "-o", "OUT", "--weights", "absent"], "Received: absent"),
        (["IN", "-o", "OUT", "--hint", "1,1,#000000"], "--hint is for one photo. Received: a folder"),
        (["IN", "-o", "OUT", "--hints", "a.json"], "--hints FILE is for one photo. Received: a folder"),
        (["IN", "-o", "OUT", "--samples", "2"], "--samples"),
        (["IN", "-o", "OUT", "--classifier", "absent.keras"], "Received: absent.keras"),
        (["OUT", "-o", "IN"], "no such file or folder"),
        (["EMPTY", "-o", "OUT"], "no photos"),
        (["IN", "-o", "IN"], "OUT is another folder than IN"),
        (["nowhere://in", "-o", "OUT"], "nowhere://in or"),
        (["IN", "-o", "OUT", "--resources", "scanner"], "takes NAME=N with N above 0"),
        (["IN", "-o", "OUT", "--resources", "scanner=-1"], "Received: scanner=-1"),
        (["IN", "-o", "OUT", "--resources", "GPU=1"], "take --cpus and --gpus. Received: GPU=1"),
    ],
)
def test_wrong_usage_has_status_2_and_starts_no_ray(tmp_path, no_ray, capsys, words, reason):
    from colorizer.cluster import __main__ as command

    places = {"IN": str(album(tmp_path / "in", 1)), "OUT": str(tmp_path / "out"), "EMPTY": str(tmp_path / "empty")}
    (tmp_path / "empty").mkdir()
    try:
        status = command.main(["colorize", *(places.get(word, word) for word in words)])
    except SystemExit as stop:
        status = stop.code
    assert status == 2 and reason in capsys.readouterr().err


def test_the_flags_are_those_of_colorize_py(capsys):
    from colorizer.cli import colorize
    from colorizer.cluster import __main__ as command

    flags = []
    for parse, words in ((colorize.parse, []), (command.parse, ["colorize"])):
        with pytest.raises(SystemExit):
            parse([*words, "--help"])
        flags.append(
            {word.strip("[],") for word in capsys.readouterr().out.split() if word.strip("[,").startswith("--")}
        )
    assert flags[0] - flags[1] == {"--version", "--hint", "--save-hints", "--samples"}  # for one photo
    assert flags[1] - flags[0] == {"--chunk", "--cpus", "--gpus", "--resources"}


def test_a_task_takes_its_resources_and_one_thread_for_each_of_its_cores(monkeypatch):
    from colorizer.cluster import __main__ as command
    from colorizer.cluster import colorize

    flags = command.parse(["colorize", "in", "-o", "out", "--cpus", "2", "--resources", "scanner=0.5", "tape=1"])
    assert flags.resources == {"scanner": 0.5, "tape": 1.0}
    options = {}

    def remote(**given):
        options.update(given)
        raise ConnectionError("enough")

    monkeypatch.setattr("ray.remote", remote)
    with pytest.raises(ConnectionError):
        list(colorize.run([("a", "b")], lambda pairs: [], size=1, cpus=flags.cpus, resources=flags.resources))
    assert options["num_cpus"] == 2 and options["resources"] == {"scanner": 0.5, "tape": 1.0}
    assert set(options["runtime_env"]["env_vars"].values()) == {"2"}
    assert {"OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"} <= set(options["runtime_env"]["env_vars"])


def test_help_lists_only_what_a_tree_of_photographs_takes(capsys):
    from colorizer.cluster import __main__ as command

    with pytest.raises(SystemExit):
        command.parse(["colorize", "--help"])
    text = capsys.readouterr().out
    assert "--hints beside" in text and "--reference PHOTO" in text
    assert not [flag for flag in ("--hint ", "FILE|beside", "--save-hints", "--samples") if flag in text]
