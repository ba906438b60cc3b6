from collections.abc import Iterator

import pytest

from providers.emulators.faults import Faults
from tests.stores.dynamodb import places
from tests.stores.dynamodb.places import Place
from tests.stores.dynamodb_server import ENDPOINT


@pytest.fixture
def place() -> Place:
    """A table with the pool `pool` (queues `high` and `default`)."""
    return places.a_place()


@pytest.fixture
def faults() -> Iterator[Faults]:
    """What goes wrong at the emulator; nothing does any more afterwards."""
    if ENDPOINT is not None:
        pytest.skip("faults are the emulator's")
    script = places.emulator().faults
    script.reset()
    yield script
    script.reset()
