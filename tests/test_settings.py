"""Every setting is read, checked, and documented where it is read."""

from __future__ import annotations

import logging
import re
from dataclasses import fields
from datetime import timedelta

import pytest

from dispatcher.environment import settings as module
from dispatcher.environment.settings import Settings, log_level
from dispatcher.errors import SettingsError

HOME = {"HOME": "/home/somebody"}
GIVEN = {
    "DISPATCHER_STORE": "sqlite:////var/lib/dispatcher.db",
    "DISPATCHER_TICK_SECONDS": "20",
    "DISPATCHER_MARGIN_SECONDS": "5.5",
    "DISPATCHER_TIMEOUT_SECONDS": "60",
    "DISPATCHER_LEASE_SECONDS": "120",
    "DISPATCHER_CLOCK_SKEW_SECONDS": "2",
    "DISPATCHER_TICK_INTERVAL_SECONDS": "30",
    "DISPATCHER_MAX_CLAIMS": "7",
    "DISPATCHER_SCHEDULE_AHEAD_SECONDS": "900",
    "DISPATCHER_HISTORY_DAYS": "0",
    "DISPATCHER_FAN_OUT": "lambda",
    "DISPATCHER_WAKE": "lambda:push-dispatcher",
    "DISPATCHER_AUDIENCE": "https://tick-1-uc.a.run.app, https://europe-west1-p.cloudfunctions.net/tick",
    "DISPATCHER_CALLERS": "schedule@p.iam.gserviceaccount.com, ops@p.iam.gserviceaccount.com",
    "DISPATCHER_TOKEN_SIGNATURE": "iam",
    "DISPATCHER_CERTIFICATES_URL": "http://127.0.0.1:8080/certs",
    "DISPATCHER_PROCESS_DIRECTORY": "/var/lib/processes",
    "DISPATCHER_DEFAULT_POOL": "nightly",
    "DISPATCHER_CREDENTIALS": '{"prod": {"role_arn": "arn:aws:iam::1:role/x"}}',
    "DISPATCHER_DOCKER_HOSTS": '{"gpu": {"url": "ssh://jobs@gpu.example.test"}}',
    "DISPATCHER_KUBERNETES_CLUSTERS": '{"prod": {"kubeconfig": "/etc/prod.yaml"}}',
    "DISPATCHER_HOOKS": '{"ops": {"url": "https://example.test/hook", "secret_variable": "OPS_SECRET"}}',
    "DISPATCHER_MANAGED": '{"type": "docker"}',
    "DISPATCHER_PROVIDER_OPTIONS": '{"ecs:push": {"launches_per_second": 100}}',
    "DISPATCHER_PREFECT_API_URL": "http://prefect:4200/api",
    "DISPATCHER_PREFECT_JOBS_API_URL": "https://prefect.example.test/api",
    "DISPATCHER_PREFECT_POOLS": "nightly, hourly",
    "DISPATCHER_PREFECT_IMAGE": "flows:1",
    "DISPATCHER_TELEMETRY": "cloudwatch, opentelemetry",
    "DISPATCHER_TELEMETRY_SECONDS": "1.5",
    "DISPATCHER_UI_AUTH": "header:X-Email",
    "DISPATCHER_UI_PROXY_SECRET": "a-secret-of-the-proxy",
    "DISPATCHER_UI_HOSTS": "pools.example.com",
    "DISPATCHER_UI_EDITORS": "ada@example.com, *@ops.example.com",
    "DISPATCHER_LOG_LEVEL": "debug",
}
DOCUMENTED = dict(re.findall(r"^\| `(DISPATCHER_\w+)` *\| (.*?) *\|", str(module.__doc__), re.MULTILINE))
"""Variable -> default, as the table says."""


def field_of(variable):
    return variable.removeprefix("DISPATCHER_").lower()


def read(**variables):
    return Settings.from_environment({**HOME, **{f"DISPATCHER_{name}": value for name, value in variables.items()}})


def test_every_setting_is_read_from_its_variable():
    assert Settings.from_environment(GIVEN) == Settings(
        store="sqlite:////var/lib/dispatcher.db",
        tick_seconds=20,
        margin_seconds=5.5,
        timeout_seconds=60,
        lease_seconds=120,
        clock_skew_seconds=2,
        tick_interval_seconds=30,
        max_claims=7,
        schedule_ahead_seconds=900,
        history_days=0,
        fan_out="lambda",
        wake="lambda:push-dispatcher",
        audience=frozenset({"https://tick-1-uc.a.run.app", "https://europe-west1-p.cloudfunctions.net/tick"}),
        callers=frozenset({"schedule@p.iam.gserviceaccount.com", "ops@p.iam.gserviceaccount.com"}),
        token_signature="iam",
        certificates_url="http://127.0.0.1:8080/certs",
        process_directory="/var/lib/processes",
        default_pool="nightly",
        credentials={"prod": {"role_arn": "arn:aws:iam::1:role/x"}},
        docker_hosts={"gpu": {"url": "ssh://jobs@gpu.example.test"}},
        kubernetes_clusters={"prod": {"kubeconfig": "/etc/prod.yaml"}},
        hooks={"ops": {"url": "https://example.test/hook", "secret_variable": "OPS_SECRET"}},
        managed={"type": "docker"},
        provider_options={"ecs:push": {"launches_per_second": 100}},
        prefect_api_url="http://prefect:4200/api",
        prefect_jobs_api_url="https://prefect.example.test/api",
        prefect_pools=frozenset({"nightly", "hourly"}),
        prefect_image="flows:1",
        telemetry=("cloudwatch", "opentelemetry"),
        telemetry_seconds=1.5,
        ui_auth="header:X-Email",
        ui_proxy_secret="a-secret-of-the-proxy",
        ui_hosts=frozenset({"pools.example.com"}),
        ui_editors=frozenset({"ada@example.com", "*@ops.example.com"}),
        log_level="DEBUG",
    )


def test_the_table_and_the_settings_name_the_same_variables():
    assert [field_of(variable) for variable in DOCUMENTED] == [field.name for field in fields(Settings)]
    assert set(DOCUMENTED) == set(GIVEN)


def shown(value):
    """A default as the table writes it."""
    if isinstance(value, str):
        return value.replace("/home/somebody", "<home>")
    if value is None or value == frozenset():
        return "(none)"
    return f"{value:g}" if isinstance(value, float) else str(value)


@pytest.mark.parametrize("variable", DOCUMENTED)
def test_the_table_shows_the_default_that_holds(variable):
    assert DOCUMENTED[variable].strip("`") == shown(getattr(read(), field_of(variable)))


@pytest.mark.parametrize("variable", GIVEN)
def test_an_empty_variable_is_as_good_as_none(variable):
    assert Settings.from_environment({**HOME, variable: ""}) == read()


NO_SECONDS = ["soon", "-1", "nan", "inf", "86401", "1e9"]
NO_COUNT = ["0", "-1", "1.5", "many", "1000001", "9" * 5000]
NO_ENTRIES = ["{", "[]", '"text"', "1", '{"name": "value"}', '{"name": null}']
WRONG = {
    "TICK_SECONDS": NO_SECONDS,
    "MARGIN_SECONDS": NO_SECONDS,
    "LEASE_SECONDS": [*NO_SECONDS, "0", "60"],
    "CLOCK_SKEW_SECONDS": NO_SECONDS,
    "TICK_INTERVAL_SECONDS": NO_SECONDS,
    "TIMEOUT_SECONDS": NO_SECONDS,
    "MAX_CLAIMS": NO_COUNT,
    "SCHEDULE_AHEAD_SECONDS": NO_SECONDS,
    "HISTORY_DAYS": [*NO_COUNT[1:]],
    "TOKEN_SIGNATURE": ["google", "IAM"],
    "CREDENTIALS": NO_ENTRIES,
    "HOOKS": [*NO_ENTRIES, '{"ops": {}}', '{"ops": {"url": "http://example.test"}}'],
    "PROVIDER_OPTIONS": NO_ENTRIES,
    "TELEMETRY": ["otel", "opentelemetry,", "opentelemetry cloudwatch"],
    "TELEMETRY_SECONDS": NO_SECONDS,
    "LOG_LEVEL": ["loud", "20"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_wrong_value_names_its_variable(name, value):
    with pytest.raises(SettingsError, match=f"^DISPATCHER_{name}: "):
        read(**{name: value})


def test_a_lease_outlives_the_tick_and_the_skew_or_is_refused_with_the_sum():
    assert read(LEASE_SECONDS="60.5").lease_seconds == 60.5
    with pytest.raises(SettingsError, match=r"must be over 60, the sum of DISPATCHER_TICK_SECONDS \(50\) and DISPATCHER_CLOCK"):
        read(LEASE_SECONDS="60")


def test_a_lease_outlives_the_last_call_of_its_provider_too():
    settings = read(TICK_SECONDS="50", LEASE_SECONDS="70.5", CLOCK_SKEW_SECONDS="10")
    settings.check_lease(10)
    with pytest.raises(SettingsError, match=r"it must be over 71, .*, one provider call \(11\) and "):
        settings.check_lease(11)


def test_the_margin_leaves_room_for_a_call_under_way_and_its_record():
    assert read().margin_seconds > 10, "the longest call of any provider"


def test_a_pool_is_ready_for_three_intervals_and_a_minute_at_least():
    assert read(TICK_INTERVAL_SECONDS="5").heartbeat == timedelta(minutes=1)
    assert read(TICK_INTERVAL_SECONDS="60").heartbeat == timedelta(minutes=3)


def test_log_levels_may_be_written_in_lower_case():
    assert log_level({"DISPATCHER_LOG_LEVEL": "warning"}) == logging.getLevelName(logging.WARNING)
    assert log_level({}) is None
