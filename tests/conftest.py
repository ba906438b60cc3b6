"""Whatever asserts outside a test file is named here, before anything can import it."""

import pytest
from hypothesis import settings

pytest.register_assert_rewrite(
    "tests.providers.contract",
    "tests.providers.harness",
    "tests.providers.network_contract",
    "tests.stores.conformance_claims",
    "tests.stores.conformance_moving",
    "tests.stores.conformance_notices",
    "tests.stores.conformance_pools",
    "tests.stores.conformance_reconfiguration",
    "tests.stores.conformance_runs",
    "tests.stores.conformance_schedules",
    "tests.stores.conformance_work",
    "tests.stores.steps",
)

settings.register_profile("no deadline", deadline=None)  # a machine that is busy proves nothing
settings.load_profile("no deadline")
