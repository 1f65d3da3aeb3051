"""The flags of `python -m colorizer app`: which are refused, and what they change."""

import contextlib
import errno
import importlib.util
import signal
import socket
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest
from conftest import REPOSITORY
from page_server import INSTALL, answer_of, free_port, start
from PIL import Image
from test_colorize import run  # noqa: F401  (a fixture: a run's folder with one color everywhere)

from colorizer.app import server_flags
from colorizer.errors import UsageError


def test_without_gradio_the_command_that_installs_it_is_named(monkeypatch, capsys):
    from colorizer.app import __main__ as app

    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "gradio" else found(name))
    assert app.main([]) == 2
    assert 'pip install -e ".[app]" -c constraints.txt' in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--max-megapixels", "0"], "--max-megapixels is more than 0. Received: 0"),
        (["--max-clip-gigapixels", "0"], "--max-clip-gigapixels is more than 0. Received: 0"),
        (["--max-gigabytes", "-1"], "--max-gigabytes is more than 0. Received: -1"),
        (["--max-gigabytes", "inf"], "--max-gigabytes is a finite number. Received: inf"),
        (["--port", "0"], "--port lies between 1 and 65535. Received: 0"),
        (["--weights", "absent"], "Received: absent"),
        (["--classifier", "absent.keras"], "Received: absent.keras"),
        (["--host", "no such host"], "cannot listen on no such host, port 7860"),
    ],
)
def test_wrong_flags_have_status_2_before_anything_is_loaded(capsys, monkeypatch, words, reason):
    from colorizer.app import __main__ as app

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: True)
    monkeypatch.setattr(app, "_run", lambda *_: pytest.fail("networks were loaded"))
    port = ["--port", str(free_port())] if "--port" not in words and "--host" not in words else []
    try:
        status = app.main([*words, *port])
    except SystemExit as stop:
        status = stop.code
    assert status == 2 and reason in capsys.readouterr().err


def test_a_port_that_is_taken_is_said_with_another_one(capsys, monkeypatch):
    from colorizer.app import __main__ as app

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: True)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert app.main(["--port", str(port)]) == 2
    err = capsys.readouterr().err
    assert f"cannot listen on 127.0.0.1, port {port}: Address already in use" in err
    assert f"choose another port: --port {port + 1}" in err and "GRADIO" not in err


@pytest.mark.parametrize(
    ("host", "error", "advice"),
    [
        ("no such host", None, "--host is an address of this computer"),
        ("192.0.2.1", OSError(errno.EADDRNOTAVAIL, "no"), "--host is an address of this computer"),
        ("127.0.0.1", OSError(errno.EACCES, "no"), "Choose a port above 1023"),
        ("127.0.0.1", OSError(errno.ENOBUFS, "no"), "no."),
    ],
)
def test_an_address_that_cannot_be_used_is_said_with_what_to_do(monkeypatch, host, error, advice):
    def bind(*_):
        raise error

    if error:
        fake = SimpleNamespace(setsockopt=lambda *_: None, bind=bind)
        monkeypatch.setattr(server_flags.socket, "socket", lambda family: contextlib.nullcontext(fake))
    flags = SimpleNamespace(host=host, port=80)
    with pytest.raises(UsageError) as told:
        server_flags.check(flags, None)
    assert f"cannot listen on {host}, port 80" in str(told.value) and advice in str(told.value)
    assert "another page" not in str(told.value) and "--port 81" not in str(told.value)


# In a process of its own: what Gradio leaves open would be found by later tests.
BUILD = """
import sys
from pathlib import Path
from types import SimpleNamespace
from colorizer.app import page
blocks = page.build(SimpleNamespace(networks={"Colors": None}), [Path(word) for word in sys.argv[1:]])
parts = {part.elem_id: part for part in blocks.blocks.values() if getattr(part, "elem_id", None)}
print(parts["examples"].visible, parts["report"].placeholder)
"""


@pytest.mark.parametrize("with_examples", [True, False])
def test_without_examples_the_page_offers_none(tmp_path, with_examples):
    if importlib.util.find_spec("gradio") is None:
        pytest.skip(f"Gradio is not installed: {INSTALL}")
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    typed = [sys.executable, "-c", BUILD, *([str(tmp_path / "a.png")] if with_examples else [])]
    said = subprocess.run(typed, capture_output=True, text=True, check=True, cwd=REPOSITORY).stdout.strip()
    assert said == f"{with_examples} Drop photographs{', or click on an example' if with_examples else ''}."


EVENTS = """
import sys
from pathlib import Path
from types import SimpleNamespace
from colorizer.app.page import Events
from colorizer.errors import WorkError

def colorize(files, label, strength):
    if label == "absent":
        raise WorkError("no such method")
    preview = SimpleNamespace(name="old.png", source=Path(files[0]), before=Path(files[0]), after=Path("gone.png"))
    return SimpleNamespace(previews=[preview], download=Path("new.png"), report="1 colorized")

picked = SimpleNamespace(index=0)
events = Events(SimpleNamespace(colorize=colorize), [Path("example.png")])
assert events.colorize([], "Colors", 1.0)[2:] and not events.colorize([], "Colors", 1.0)[2]
assert events.colorize(["a.png"], "absent", 1.0)[2] == "Not colorized: no such method"
slider, download, report, gallery, pairs, originals, current = events.colorize([sys.argv[1]], "Colors", 1.0)
assert slider == (sys.argv[1], "gone.png") and download.interactive and not gallery.visible
assert (report, originals, current) == ("1 colorized", [sys.argv[1]], sys.argv[1])
assert not isinstance(events.show(pairs, originals, picked), tuple), "a result that was removed is shown"
assert events.show([(sys.argv[1],) * 2], originals, picked) == ((sys.argv[1],) * 2, sys.argv[1])
assert events.example(picked) == ["example.png"]
"""


def test_each_event_gives_what_the_page_shows(tmp_path):
    if importlib.util.find_spec("gradio") is None:
        pytest.skip(f"Gradio is not installed: {INSTALL}")
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    subprocess.run([sys.executable, "-c", EVENTS, str(tmp_path / "a.png")], check=True, cwd=REPOSITORY)


def test_a_page_for_everybody_warns(tmp_path):
    if importlib.util.find_spec("gradio") is None:
        pytest.skip(f"Gradio is not installed: {INSTALL}")
    process, address = start(tmp_path, "--host", "0.0.0.0", "--allow-host", "photos.example")  # starts without Keras
    try:
        assert answer_of(address, host="photos.example")[0] == 200
        assert answer_of(address, host="evil.example")[0] == 403
        assert "Warning: everybody who can reach this computer" in (tmp_path / "log").read_text()
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_an_address_of_ipv6_goes_to_gradio_in_brackets(tmp_path):
    if importlib.util.find_spec("gradio") is None:
        pytest.skip(f"Gradio is not installed: {INSTALL}")
    from colorizer.app import __main__ as app
    from colorizer.app.security import Limits

    names, stop = [], threading.Event()
    stop.set()

    class Blocks:
        def launch(self, server_name, **_):
            names.append(server_name)

        def close(self, **_):
            pass

    for host in ("::1", "[::1]", "127.0.0.1"):
        app.serve(app.parse(["--host", host]), Blocks(), Limits(tmp_path, 1, 1), stop)
    assert names == ["[::1]", "[::1]", "127.0.0.1"]  # Gradio makes an address of it


def test_what_gradio_remembers_of_visitors_is_bounded_and_nothing_is_recorded(tmp_path):
    if importlib.util.find_spec("gradio") is None:
        pytest.skip(f"Gradio is not installed: {INSTALL}")
    from colorizer.app import __main__ as app
    from colorizer.app.security import Limits

    class Blocks:
        def launch(self, **settings):
            self.settings = settings

        def close(self, **_):
            self.closed = True

    blocks, stop = Blocks(), threading.Event()
    stop.set()
    app.serve(app.parse([]), blocks, Limits(tmp_path, 1, 1), stop)
    assert blocks.closed and blocks.settings["state_session_capacity"] <= 1000  # of 80 kB each
    assert blocks.settings["run_history"] is blocks.settings["enable_monitoring"] is blocks.settings["share"] is False
