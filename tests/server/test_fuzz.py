"""Requests that nobody would write by hand, made by Schemathesis from the API's own description."""

import numpy as np
import pytest

from colorizer import methods
from colorizer.inference.colorizer import Colorizer

schemathesis = pytest.importorskip("schemathesis", reason='pip install -e ".[dev]" -c constraints.txt')
for name in ("fastapi", "fastapi_offline", "prometheus_client", "multipart"):
    pytest.importorskip(name, reason='pip install -e ".[serve]" -c constraints.txt')

from hypothesis import HealthCheck, Phase, given, settings  # noqa: E402
from schemathesis import GenerationMode  # noqa: E402
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance  # noqa: E402

from colorizer.server import api, limits, options, worker  # noqa: E402

EXAMPLES = 40  # of each route and kind; more: hypothesis' own settings


@pytest.fixture(scope="module")
def described(tmp_path_factory):
    """The description of a server with one color."""
    network = methods.get("trivial").build(32)
    network.set_weights([np.array([0.2, 0.1], np.float32)])
    colorizer = Colorizer(network, methods.get("trivial"), image_size=32)
    one = worker.Worker({None: colorizer}, tmp_path_factory.mktemp("server"), 100_000)
    app = limits.Gate(api.build(one, api.Settings(max_bytes=100_000)), ["testserver"], api.OWN_PATHS)
    return schemathesis.openapi.from_asgi("/openapi.json", app)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["right", "wrong"])
@pytest.mark.parametrize("route", ["POST /v1/colorize", "GET /healthz", "GET /metrics"])
def test_every_answer_is_as_described(described, route, mode):
    method, path = route.split()
    if mode is GenerationMode.NEGATIVE and method == "GET":
        pytest.skip("nothing in it can be wrong")

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=described[path][method].as_strategy(generation_mode=mode))
    def fuzz(case):
        response = case.call()
        assert response.status_code < 500 or response.status_code == 503
        # Base64 of anything is no photo yet; and a form holds texts, so that a list of one number is a number.
        excluded = [positive_data_acceptance]
        excluded += [negative_data_rejection] if case.media_type == options.FORM else []
        case.validate_response(response, excluded_checks=excluded)

    fuzz()
