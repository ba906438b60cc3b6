"""A variable that is named like a setting, and is none."""

from __future__ import annotations

import pytest

from dispatcher.environment.settings import unknown_settings


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("DISPATCHER_STOER", "DISPATCHER_STOER is not a setting; did you mean DISPATCHER_STORE?"),
        ("DISPATCHER_LEASE_SECOND", "DISPATCHER_LEASE_SECOND is not a setting; did you mean DISPATCHER_LEASE_SECONDS?"),
        ("DISPATCHER_XYZZY_PLUGH_FROTZ", "DISPATCHER_XYZZY_PLUGH_FROTZ is not a setting"),
    ],
)
def test_an_unknown_setting_is_reported_with_the_nearest(name, line):
    assert unknown_settings({name: "x", "PATH": "/bin"}) == [line]


def test_settings_what_a_job_holds_and_secrets_of_hooks_are_known():
    hooks = '{"ops": {"url": "https://x", "secret_variable": "DISPATCHER_OPS"}}'
    environment = {"DISPATCHER_STORE": "memory://", "DISPATCHER_RUN_ID": "1", "DISPATCHER_HOOKS": hooks, "DISPATCHER_OPS": "s"}
    assert unknown_settings(environment) == []
