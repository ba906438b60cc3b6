"""A Prefect server is a matter of settings; without one, nothing of it is loaded."""

import subprocess
import sys

import pytest

from dispatcher.environment.settings import Settings
from dispatcher.errors import SettingsError
from dispatcher.wiring import prefect_source, wire

URL = "http://prefect:4200/api"


def settings(**named):
    variables = {f"DISPATCHER_PREFECT_{name}": value for name, value in named.items()}
    return Settings.from_environment({"DISPATCHER_STORE": "memory://", **variables})


def test_a_server_of_the_settings_is_a_source_of_the_tick():
    named = settings(API_URL=URL, JOBS_API_URL="http://jobs/api", POOLS="ecs-b, ecs-a", IMAGE="mine:1")
    source = wire(named, environment={"PREFECT_API_KEY": "k"}).dispatch.source
    assert (source.name, source.server.url) == ("prefect", URL)
    assert (source.jobs.api_url, source.jobs.image) == ("http://jobs/api", "mine:1")
    assert source.served.names == ("ecs-a", "ecs-b")
    assert "modal:push" in source.served.types
    assert "process" not in source.served.types
    source.server.close()


def test_closing_everything_closes_the_connections_to_the_server():
    wiring = wire(settings(API_URL=URL))
    wiring.close()
    assert wiring.dispatch.source.server._client.is_closed


def test_jobs_reach_the_server_at_the_same_address_unless_another_is_set():
    source = wire(settings(API_URL=URL)).dispatch.source
    assert (source.jobs.api_url, source.jobs.image, source.served.names) == (URL, "prefecthq/prefect:3-latest", ())
    source.server.close()


@pytest.mark.parametrize("url", ["prefect:4200", "ftp://prefect/api", "http://user:secret@prefect/api", "http://pre fect"])
def test_an_invalid_address_or_one_with_a_secret_is_refused_and_not_repeated(url):
    with pytest.raises(SettingsError, match=r"^DISPATCHER_PREFECT_API_URL: give an address") as refused:
        settings(API_URL=url)
    assert "secret" not in str(refused.value)


def test_without_a_server_there_is_no_source_and_nothing_of_it_is_loaded():
    program = """
import sys
from dispatcher.environment.settings import Settings
from dispatcher.wiring import wire
assert wire(Settings.from_environment({"DISPATCHER_STORE": "memory://"})).dispatch.source is None
assert not [name for name in sys.modules if name.startswith(("httpx", "dispatcher.prefect", "dispatcher.protocols.source"))]
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_command_that_needs_a_server_says_which_setting_is_missing():
    with pytest.raises(SettingsError, match="DISPATCHER_PREFECT_API_URL: is not set"):
        prefect_source(settings(), None, None)


@pytest.mark.parametrize("missing", ["httpx", "dispatcher.prefect.opening"])
def test_a_function_without_the_bridge_or_what_it_needs_names_the_extra(missing, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("dispatcher.prefect")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(
        SettingsError, match=rf"^DISPATCHER_PREFECT_API_URL: needs {missing}, which is not installed: pip install"
    ):
        prefect_source(settings(API_URL=URL), None, None)
