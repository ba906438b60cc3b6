import signal

import pytest

from tests.network.proxy import HttpProxy
from tests.providers.docker.containers import DockerHarness
from tests.providers.docker.engines import engine as started


@pytest.fixture
def engine():
    """The engine, with nothing in it; a test that would wait for a container for ever fails after some minutes."""
    engine = started()
    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(300)
    yield engine
    engine.clear()
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def harness(engine, tmp_path):
    with HttpProxy(engine.url) as proxy:
        yield DockerHarness(engine, proxy, tmp_path)


def too_long(*_):
    raise TimeoutError("waited for minutes for a container that does not come")
