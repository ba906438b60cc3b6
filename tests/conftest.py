"""Whatever asserts outside a test file is named here, before anything can import it."""

from pathlib import Path

import pytest
from hypothesis import settings

CONFORMANCE = sorted((Path(__file__).parent / "stores").glob("conformance_*.py"))

pytest.register_assert_rewrite(
    "tests.providers.contract",
    "tests.providers.harness",
    "tests.providers.network_contract",
    "tests.stores.steps",
    *(f"tests.stores.{part.stem}" for part in CONFORMANCE),
)

settings.register_profile("no deadline", deadline=None)  # a machine that is busy proves nothing
settings.load_profile("no deadline")
