"""Settings become a store, providers and a dispatch; the error for a wrong one names the variable and the fix."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta

import pytest

from dispatcher.environment.clock import SystemClock
from dispatcher.environment.settings import Settings
from dispatcher.errors import SettingsError, StoreError
from dispatcher.stores.memory import MemoryStore
from dispatcher.stores.sqlite import SqliteStore
from dispatcher.wiring import Providers, open_store, wire
from providers import registry
from providers.base import ProviderError, ProviderUnavailable


def some_settings(**values):
    return Settings(**{"store": "memory://", **values})


def test_a_url_opens_its_store(tmp_path):
    assert isinstance(open_store("memory://"), MemoryStore)
    opened = open_store(f"sqlite:///{tmp_path / 'a.db'}")
    assert isinstance(opened, SqliteStore)
    assert opened.pools() == []
    opened.close()


@pytest.mark.parametrize("url", ["nonsense", "redis://host", "", "://", "http://[::1", "/var/lib/dispatcher.db"])
def test_a_url_that_names_no_store_is_refused_with_those_that_do(url):
    with pytest.raises(SettingsError, match=r"^DISPATCHER_STORE: .* names no store; it begins with one of .*sqlite://"):
        open_store(url)


@pytest.mark.parametrize(
    "url",
    [
        "mysql://user:hunter2@host/db",
        "mysql://user:hunter2/with/slashes@host/db",
        "mysql://user:hunter2?really@host/db",
        "mysql://user:hunter2@twice@host/db",
        "mysql://user://hunter2@host/db",
        "mysql:user:hunter2@host/db",
        "mysql://host/db?password=hunter2",
        "mysql://user@host/db?password=hunter2",
    ],
)
def test_a_password_is_never_shown(url):
    with pytest.raises(SettingsError) as refused:
        open_store(url)
    assert "hunter2" not in str(refused.value)
    assert "host/db" in str(refused.value)


def test_a_store_that_cannot_be_opened_says_so_at_its_first_use():
    with pytest.raises(StoreError, match="/nowhere/at"):
        open_store("sqlite:////nowhere/at/all.db").pools()


def test_a_provider_is_made_once_with_its_options_and_the_credentials(tmp_path):
    providers = Providers(
        some_settings(
            process_directory=str(tmp_path),
            credentials={"prod": {}},
            provider_options={"ecs:push": {"launches_per_second": 100, "lookup_lag": 5}},
        )
    )
    ecs = providers("ecs:push")
    assert (ecs.limits.submit_rates[0].per_second, ecs.limits.lookup_lag) == (100, 5)
    assert providers("ecs:push") is ecs
    assert providers("process").limits.lookup_lag == 0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"launches": 5}, "options of provider type 'ecs:push'"),
        ({"concurrency": 0}, "concurrency: give 1 or more, not 0"),
        ({"lookup_lag": -1}, "lookup_lag: give 0 or more, not -1"),
        ({"lookup_lag": float("nan")}, "lookup_lag: give 0 or more, not nan"),
        ({"lookup_lag": "5"}, "options of provider type 'ecs:push'"),
        ({"call_timeout": 0}, "call_timeout: give a number above 0, not 0"),
        ({"launches_per_second": 0}, "launches_per_second: give a number above 0, not 0"),
        ({"call_timeout": 240}, "ecs:push: DISPATCHER_LEASE_SECONDS: 300 is too short: it must be over 300, .* call .240."),
    ],
)
def test_options_with_which_no_tick_could_work_make_the_provider_unavailable(options, says):
    with pytest.raises(ProviderError, match=says):
        Providers(some_settings(provider_options={"ecs:push": options}))("ecs:push")


def test_options_of_a_type_that_nobody_serves_are_refused_at_once():
    with pytest.raises(SettingsError, match=r"^DISPATCHER_PROVIDER_OPTIONS: .*'esc:push' is unknown; did you mean ecs:push"):
        wire(some_settings(provider_options={"esc:push": {}}))


def test_a_missing_extra_is_reported_with_the_line_that_adds_it():
    code = (
        "import sys; sys.modules['boto3'] = None\n"
        "from dispatcher.environment.settings import Settings; from dispatcher.wiring import Providers\n"
        "from providers.base import ProviderUnavailable\n"
        "try: Providers(Settings(store='memory://'))('ecs:push')\n"
        "except ProviderUnavailable as problem: print(problem)\n"
    )
    said = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, check=True).stdout
    assert "pip install 'push-dispatcher[aws]'" in said


@pytest.mark.parametrize("name", registry.types())
def test_a_default_lease_outlives_the_calls_of_every_provider(name, tmp_path):
    defaults = some_settings(process_directory=str(tmp_path))
    provider = Providers(defaults)(name)
    assert provider.limits.call_timeout < defaults.margin_seconds, "a call under way can end and be recorded"
    with pytest.raises(ProviderUnavailable, match="DISPATCHER_LEASE_SECONDS"):
        Providers(some_settings(lease_seconds=70, process_directory=str(tmp_path)))(name)


def test_wiring_hands_the_settings_on():
    wired = wire(some_settings(lease_seconds=200, clock_skew_seconds=3, max_claims=9, tick_interval_seconds=100))
    limits = wired.dispatch.limits
    assert (limits.lease, limits.clock_skew, limits.claims) == (timedelta(seconds=200), timedelta(seconds=3), 9)
    assert wired.dispatch.store is wired.store
    assert isinstance(wired.dispatch.clock, SystemClock)
    assert wired.client.heartbeat == timedelta(seconds=300)
    assert wired.client.store is wired.store
    assert wired.client.clock is wired.dispatch.clock
