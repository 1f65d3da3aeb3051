"""Shared by all tests: small pictures made on the spot, and the real data where it is."""

import logging
import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
if (
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN
):  # begun in the background of a script: children would ignore Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)

import cv2
import numpy as np
import pytest

pytest_plugins = ["badserver", "drawn_lists", "page_server", "torch_files"]  # their fixtures
REPOSITORY = Path(__file__).resolve().parent.parent


# The files that take longest, for `make test`: a worker that began with one of them last would end alone.
LONGEST = (
    "training/test_loop.py",
    "test_readme.py",
    "methods/test_base.py",
    "training/long/test_run.py",
    "test_backends.py",
    "test_notebooks.py",
    "methods/test_vit_decoder.py",
    "cluster/test_cluster.py",
    "export/test_convert.py",
    "export/test_light.py",
    "inference/test_engine.py",
    "training/long/test_adversarial.py",
    "test_environment.py",
    "reporting/test_build.py",
    "training/long/test_tuning.py",
    "cli/test_train.py",
    "cli/test_evaluate.py",
    "training/test_run_record.py",
    "methods/test_saving.py",
    "evaluation/perceptual/test_scorer.py",
    "evaluation/test_evaluator.py",
    "methods/test_gan.py",
    "methods/test_colorful.py",
    "app/test_page_browser.py",
    "app/test_page_requests.py",
    "cli/test_colorize.py",
    "inference/test_colorizer.py",
)


def pytest_collection_modifyitems(items):
    """Puts the longest files first; the order within a file stays."""
    place = {REPOSITORY / "tests" / name: index for index, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path, len(LONGEST)))


def data_root() -> Path | None:
    """The folder with coco/, paintings/, ood/: $COLORIZER_DATA, else one beside the checkout, else None."""
    for candidate in (os.environ.get("COLORIZER_DATA"), REPOSITORY.parent / "shared" / "data"):
        if candidate and (Path(candidate) / "coco").is_dir():
            return Path(candidate)
    return None


def classifier_file() -> Path | None:
    """A saved ImageNet classifier, where the real data lies beside one."""
    root = data_root()
    path = root.parent / "classifiers" / "mobilenet_edgetpu.keras" if root else None
    return path if path and path.is_file() else None


@pytest.fixture(autouse=True)
def notes_about_photos():
    """Notes are said again after a test of the page's command, which keeps them out of its log."""
    logger = logging.getLogger("colorizer.photos")
    level = logger.level
    yield
    logger.setLevel(level)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The real pictures' root, or a skip that says why."""
    root = data_root()
    if root is None:
        pytest.skip("the real pictures are not here: set COLORIZER_DATA to a folder with coco/, paintings/, ood/")
    return root


@pytest.fixture(scope="session")
def real_classifier() -> Path:
    """The real saved classifier, or a skip that says why."""
    path = classifier_file()
    if path is None:
        pytest.skip("no saved classifier is here: classifiers/mobilenet_edgetpu.keras beside the data's root")
    return path


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def wait_until(happened: Callable[[], bool], seconds: float = 120):
    """Asks until `happened` gives true; fails after some seconds, where a plain loop would hold up the whole suite."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, f"this did not happen within {seconds:.0f} s"
        time.sleep(0.005)


def draw_picture(index: int, height: int = 96, width: int = 128) -> np.ndarray:
    """A colorful picture: (height, width, 3) uint8 sRGB, different for every `index`."""
    rng = np.random.default_rng(index)
    coarse = rng.integers(0, 256, (4, 5, 3), dtype=np.uint8)
    picture = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    center = (int(rng.integers(20, width - 20)), int(rng.integers(20, height - 20)))
    cv2.circle(picture, center, 15, tuple(int(c) for c in rng.integers(0, 256, 3)), -1)
    return picture


def write_pictures(folder: Path, count: int = 24) -> Path:
    """A new folder with colorful PNG files, picture_00.png on."""
    folder.mkdir()
    for index in range(count):
        cv2.imwrite(str(folder / f"picture_{index:02d}.png"), draw_picture(index)[..., ::-1])
    return folder


@pytest.fixture
def picture_folder(tmp_path) -> Path:
    """A folder `pictures` with 24 colorful PNG files, picture_00.png on."""
    return write_pictures(tmp_path / "pictures")
