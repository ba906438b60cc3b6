from contextlib import ExitStack, closing

import pytest

from tests.prefect.real_server import real_prefect
from tests.prefect.real_stage import Ticker


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory):
    """One server for each process of a test run: it takes its time to start."""
    with real_prefect(tmp_path_factory.mktemp("prefect")) as server:
        yield server


@pytest.fixture
def prefect(prefect_server):
    """A real Prefect server without pools, deployments and flow runs."""
    yield prefect_server
    prefect_server.clear()


@pytest.fixture
def ticker(prefect, tmp_path):
    """Makes dispatchers beside the real server, with one store or with several; settings are given by their whole names."""
    with ExitStack() as stack:
        yield lambda store="store", url=None, **settings: stack.enter_context(
            closing(Ticker(url or prefect.url, tmp_path / f"{store}.db", **settings))
        )
