from collections.abc import Iterator
from pathlib import Path

import pytest

from dispatcher.store import Store

for _part in ("conformance_claims", "conformance_pools", "conformance_runs", "steps"):
    pytest.register_assert_rewrite(f"tests.stores.{_part}")

from tests.stores.factories import JUDGED  # noqa: E402 - asserts are rewritten at import


@pytest.fixture(params=JUDGED)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A fresh and empty store of each kind in turn."""
    made = JUDGED[request.param](tmp_path)
    yield made
    made.close()
