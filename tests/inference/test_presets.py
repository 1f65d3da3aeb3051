"""Presets: listed, saved, loaded again, and fetched from hubs that this machine plays."""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import keras
import numpy as np
import pytest
from conftest import REPOSITORY, draw_picture

from colorizer import Colorizer, methods, weights
from colorizer.classifiers.encoders import vision_transformer
from colorizer.errors import WeightsError
from colorizer.evaluation import runs, scores
from colorizer.inference import hub, presets
from colorizer.reporting.cards import preset_list

SIZE = 64
COMMIT = "0123456789abcdef0123456789abcdef01234567"
RESULTS = REPOSITORY / "results"


@pytest.fixture(scope="module")
def small():
    """A colorizer with a small network that has an encoder and two looks, random weights."""
    keras.utils.set_random_seed(0)
    method = methods.get("vit_decoder")
    shape = vision_transformer.Shape(width=24, heads=2, blocks=2, grid=5)
    network = method.build(SIZE, encoder=vision_transformer.build((28, 28), (0, 1), shape))
    layer = network.get_layer("decoder").get_layer("logits")
    layer.set_weights([np.random.default_rng(0).normal(size=w.shape).astype(np.float32) for w in layer.get_weights()])
    return Colorizer(network, method, image_size=SIZE)


@pytest.fixture(scope="module")
def saved(small, tmp_path_factory):
    folder = tmp_path_factory.mktemp("presets") / "mine"
    small.save_to_preset(folder)
    return folder


def test_a_preset_gives_the_same_colors_after_it_was_saved(small, saved):
    again = Colorizer.from_preset(saved, look="accurate", engine="keras")
    assert sorted(path.name for path in saved.iterdir()) == ["best.weights.h5", "config.json", "encoder.json"]
    photo = draw_picture(3)
    np.testing.assert_array_equal(again.colorize(photo), small.with_look("accurate").colorize(photo))
    assert np.abs(again.colorize(photo).astype(int) - small.colorize(photo)).max() > 0  # the other look


def test_weights_are_saved_as_they_are_now(small, saved, tmp_path):
    again = Colorizer.from_preset(saved, engine="keras")
    again.network.get_layer("decoder").get_layer("logits").bias.assign(np.linspace(-5, 0, 313, dtype=np.float32))
    again.save_to_preset(tmp_path / "changed")
    changed = weights.load(tmp_path / "changed").network.get_layer("decoder").get_layer("logits").bias
    assert float(changed[0]) == -5.0


def test_what_another_engine_computes_is_copied(tmp_path):
    class Engine:
        network, weights = object(), weights.place("shipped")

    presets.save(Engine, tmp_path / "copy")
    source = weights.shipped("shipped")
    names = sorted(path.name for path in (tmp_path / "copy").iterdir())
    assert names == sorted(path.name for path in source.iterdir())
    assert all((tmp_path / "copy" / name).read_bytes() == (source / name).read_bytes() for name in names)
    assert presets.folder_of(tmp_path / "copy") == tmp_path / "copy"


def test_no_graph_of_other_weights_stays_in_the_folder(small, tmp_path):
    (tmp_path / "network.onnx").write_bytes(b"of the weights that were here")
    (tmp_path / "face_detector.onnx").write_bytes(b"another program's")
    small.save_to_preset(tmp_path)
    names = ["best.weights.h5", "config.json", "encoder.json", "face_detector.onnx"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names


def test_wrong_presets_are_refused_before_keras_is_loaded(small, tmp_path, monkeypatch):
    with pytest.raises(WeightsError, match="A preset is one of .*hf://OWNER/NAME.*Received: nothing"):
        Colorizer.from_preset("nothing")
    for handle in ("hf://owner", "hf://owner/", "kaggle://owner/model", "hf://a/b/c"):
        with pytest.raises(WeightsError, match="is named .*Received: "):
            hub.fetch(handle)
    monkeypatch.setattr(hub.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(WeightsError, match="pip install huggingface_hub"):
        hub.fetch("hf://owner/name")
    (tmp_path / "file").write_text("")
    with pytest.raises(WeightsError, match="A preset is a folder"):
        small.save_to_preset(tmp_path / "file")


def test_the_committed_list_is_made_of_the_committed_records():
    table = scores.read(RESULTS / "metrics.csv")
    finished = [run for run in runs.read(RESULTS / "runs")[0] if run.name in set(table.run)]
    made = preset_list.entries(finished, table)
    committed = json.loads((presets.PACKAGED / presets.FILE).read_text(encoding="utf-8"))
    assert committed == made, "run `make tables`"
    page = (REPOSITORY / preset_list.PAGE).read_text(encoding="utf-8")
    assert preset_list.render(made) in page, "run `make tables`"
    assert list(Colorizer.presets()) == list(weights.SHIPPED)
    for name, preset in Colorizer.presets().items():
        assert preset.name == name and name in str(preset) and preset.scores["coco"]


class Hub(BaseHTTPRequestHandler):
    """What the Hugging Face Hub answers for one repository: its revision, its list of files, and the files."""

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, body):
        path = self.path.partition("?")[0]
        files, self.server.asked = self.server.files, [*self.server.asked, path]
        entries = [{"rfilename": name} for name in files]
        tree = [{"type": "file", "path": name, "size": len(data), "oid": "0" * 40} for name, data in files.items()]
        if path.startswith("/api/models/owner/name/revision/") or path == "/api/models/owner/name":
            self.send(json.dumps({"id": "owner/name", "sha": COMMIT, "siblings": entries}).encode(), body)
        elif path.startswith("/api/models/owner/name/tree/"):
            self.send(json.dumps(tree).encode(), body)
        elif path.startswith(f"/owner/name/resolve/{COMMIT}/"):
            name = path.rpartition("/")[2]
            self.send(files[name], body, {"ETag": f'"{name}"', "X-Repo-Commit": COMMIT})
        else:
            self.send(b'{"error": "Repository not found"}', body, {"X-Error-Code": "RepoNotFound"}, 404)

    def send(self, data, body, headers=(), status=200):
        self.send_response(status)
        for name, value in {
            "Content-Length": str(len(data)),
            "Content-Type": "application/json",
            **dict(headers),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(data)

    def log_message(self, *args):
        pass


@pytest.fixture
def hugging_face(saved):
    """A hub on this machine with the preset as owner/name, and a script that would be no preset's."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        server.asked = []
        server.files = {path.name: path.read_bytes() for path in saved.iterdir()} | {"setup.py": b"raise SystemExit"}
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def fetched(server, handle, cache):
    """`hub.fetch` in a process of its own: the package reads its settings when it is imported."""
    code = "import sys; from colorizer.errors import ColorizerError; from colorizer.inference import hub\n"
    code += "try: print(hub.fetch(sys.argv[1]))\nexcept ColorizerError as error: print(error)"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    environment |= {"HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "HF_HOME": str(cache), "no_proxy": "*"}
    command = [sys.executable, "-c", code, handle]
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_preset_comes_from_a_hub(hugging_face, small, tmp_path):
    pytest.importorskip("huggingface_hub", reason='pip install -e ".[hub]" -c constraints.txt')
    folder = fetched(hugging_face, "hf://owner/name@main", tmp_path)
    assert sorted(os.listdir(folder)) == ["best.weights.h5", "config.json", "encoder.json"]
    assert not [path for path in hugging_face.asked if "setup.py" in path]
    photo = draw_picture(3)
    np.testing.assert_array_equal(Colorizer.from_preset(folder, engine="keras").colorize(photo), small.colorize(photo))
    message = fetched(hugging_face, "hf://owner/other", tmp_path)
    assert message.startswith("hf://owner/other cannot be fetched.") and "\n" not in message


class Kaggle(BaseHTTPRequestHandler):
    """What Kaggle answers for one model: its newest version, its list of files, and the files."""

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        files, call = self.server.files, self.path.rpartition("/")[2]
        if asked["ownerSlug"] != "owner":
            data, status = b'{"message": "Model not found"}', 404
        elif call == "GetModelInstance":
            data, status = b'{"versionNumber": 3}', 200
        elif call == "ListModelInstanceVersionFiles":
            entries = [{"name": name, "size": len(content)} for name, content in files.items()]
            data, status = json.dumps({"files": entries, "nextPageToken": ""}).encode(), 200
        else:
            data, status = files[asked["path"]], 200
        self.send_response(status)
        self.send_header("Content-Type", "application/json" if data[:1] == b"{" else "application/octet-stream")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        pass


KAGGLE = """
import sys
import kagglesdk.kaggle_env as kaggle
kaggle._env_to_endpoint[kaggle.KaggleEnv.LOCAL] = sys.argv[1]
from colorizer.errors import ColorizerError
from colorizer.inference import hub
for handle in sys.argv[2:]:
    try:
        print(hub.fetch(handle))
    except ColorizerError as error:
        print(error)
"""


def test_a_preset_comes_from_kaggle(saved, small, tmp_path):
    pytest.importorskip("kagglehub", reason='pip install -e ".[kaggle]" -c constraints.txt')
    handles = ["kaggle://owner/model/keras/variation", "kaggle://other/model/keras/variation/1"]
    with ThreadingHTTPServer(("127.0.0.1", 0), Kaggle) as server:
        server.files = {path.name: path.read_bytes() for path in saved.iterdir()}
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        environment = os.environ | {"KAGGLE_API_ENVIRONMENT": "LOCALHOST", "KAGGLEHUB_CACHE": str(tmp_path)}
        command = [sys.executable, "-c", KAGGLE, f"http://127.0.0.1:{server.server_port}", *handles]
        done = subprocess.run(
            command, cwd=REPOSITORY, env=environment | {"no_proxy": "*"}, capture_output=True, text=True, timeout=120
        )
        server.shutdown()
        thread.join()
    assert done.returncode == 0, done.stderr
    folder, message = done.stdout.strip().splitlines()[-2:]
    assert folder.endswith("owner/model/keras/variation/3")
    photo = draw_picture(3)
    np.testing.assert_array_equal(Colorizer.from_preset(folder, engine="keras").colorize(photo), small.colorize(photo))
    assert message.startswith("kaggle://other/model/keras/variation/1 cannot be fetched.")
