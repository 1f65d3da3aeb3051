"""EfficientNet-B4's weights are asked for before the backend loads."""

import io
import urllib.error
import urllib.request

import pytest

from colorizer.classifiers import b4_download, classifier
from colorizer.errors import ClassifierError


@pytest.fixture
def answer(monkeypatch, tmp_path):
    """Sets what the server answers; no weights are on this machine."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    asked = []

    def set_to(result):
        def urlopen(request, timeout):
            asked.append((request.get_method(), request.full_url))
            if isinstance(result, Exception):
                raise result
            return result

        monkeypatch.setattr(urllib.request, "urlopen", urlopen)
        return asked

    return set_to


@pytest.mark.parametrize("spec", ["efficientnet_b4", "shuffled:efficientnet_b4"])
def test_without_a_network_the_message_names_the_other_choices(answer, spec):
    answer(urllib.error.URLError("no route to host"))
    with pytest.raises(ClassifierError, match="no route to host") as error:
        classifier.check(spec)
    for needed in (b4_download.FILE, b4_download.MD5, "models", "efficientnet_lite2", "FILE.keras", "none"):
        assert needed in str(error.value)


def test_only_a_server_that_cannot_be_reached_is_a_reason(answer):
    asked = answer(io.BytesIO())
    classifier.check("efficientnet_b4")
    answer(urllib.error.HTTPError(b4_download.URL, 403, "forbidden", None, None))
    classifier.check("efficientnet_b4")
    assert asked == 2 * [("HEAD", b4_download.URL)]


def test_weights_that_are_here_and_random_ones_need_no_network(answer):
    answer(urllib.error.URLError("no route to host"))
    classifier.check("random:efficientnet_b4")
    b4_download.path().parent.mkdir()
    b4_download.path().write_bytes(b"weights")
    classifier.check("efficientnet_b4")
