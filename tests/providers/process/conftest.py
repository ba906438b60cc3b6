import signal

import pytest

from tests.providers.process.processes import ProcessHarness


@pytest.fixture
def harness(tmp_path):
    """Real processes; a test that would wait for one for ever fails after a minute instead."""
    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(60)
    harness = ProcessHarness(tmp_path)
    yield harness
    harness.close()
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def too_long(*_):
    raise TimeoutError("waited for a minute for a process that does not come")
