from collections.abc import Iterator
from pathlib import Path

import pytest

from dispatcher.protocols import Store
from tests.stores.factories import JUDGED


@pytest.fixture(params=JUDGED)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A fresh and empty store of each kind in turn."""
    made = JUDGED[request.param](tmp_path)
    yield made
    made.close()
