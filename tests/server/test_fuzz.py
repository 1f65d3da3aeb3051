"""Requests that nobody would write by hand, made by Schemathesis from the API's own description."""

import numpy as np
import pytest

from colorizer import methods
from colorizer.inference.colorizer import Colorizer

schemathesis = pytest.importorskip("schemathesis", reason='pip install -e ".[dev]" -c constraints.txt')
for name in ("fastapi", "fastapi_offline", "prometheus_client", "multipart"):
    pytest.importorskip(name, reason='pip install -e ".[serve]" -c constraints.txt')

from hypothesis import HealthCheck, Phase, settings  # noqa: E402

from colorizer.server import api, limits, worker  # noqa: E402

EXAMPLES = 40  # of each route and kind; more: hypothesis' own settings


@pytest.fixture(scope="module")
def described(tmp_path_factory):
    """The description of a server with one color."""
    network = methods.get("trivial").build(32)
    network.set_weights([np.array([0.2, 0.1], np.float32)])
    colorizer = Colorizer(network, methods.get("trivial"), image_size=32)
    one = worker.Worker({None: colorizer}, tmp_path_factory.mktemp("server"), 100_000)
    app = limits.Gate(api.build(one, api.Settings(max_bytes=100_000)), ["localhost"], api.OWN_PATHS)
    return schemathesis.openapi.from_asgi("/openapi.json", app)


schema = schemathesis.pytest.from_fixture("described")


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_as_described(case):
    response = case.call()
    assert response.status_code < 500 or response.status_code == 503
    case.validate_response(response)
