"""`dispatcher ui`: one command, one address, and nobody else gets in."""

from __future__ import annotations

import os
import re
import signal
import stat
import sys
import urllib.request
from pathlib import Path
from urllib.error import HTTPError

import pytest

from dispatcher.cli.commands import ui
from dispatcher.cli.page_server import libraries, listening
from dispatcher.errors import SettingsError
from tests.cli.conftest import cli

__all__ = ["cli"]


@pytest.mark.long
def test_the_command_serves_the_store_to_whoever_opens_its_address_first(cli):
    assert cli("work-pool", "create", "nightly", "--type", "process").exit_code == 0
    with cli.process("ui", "--port", "0", "--no-open") as process:
        try:
            address = re.search(r"http://\S+", process.stdout.readline())[0]
            opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
            assert b"signed in" in opener.open(address).read()
            assert b"nightly" in opener.open(f"{address.partition('/sign-in')[0]}/api/v1/pools").read()
            with pytest.raises(HTTPError) as refused:
                urllib.request.urlopen(address)
            refused.value.close()
            assert refused.value.code == 403
        finally:
            process.send_signal(signal.SIGINT)
    assert process.returncode in (0, 130)


def test_the_token_reaches_the_browser_through_a_file_of_its_owner(monkeypatch):
    opened = []

    def look(address):
        path = Path(address.removeprefix("file://"))
        opened.append((path, stat.S_IMODE(path.stat().st_mode), path.read_text()))

    monkeypatch.setattr(ui.webbrowser, "open", look)
    with ui._opened("http://127.0.0.1:4210/sign-in?token=secret&x=<", in_browser=True):
        [(path, mode, text)] = opened
    assert (mode, path.exists()) == (0o600, False)
    assert "token=secret&amp;x=&lt;" in text


def test_a_port_that_is_taken_is_named(cli):
    with listening("127.0.0.1", 0, "--port") as listener:
        port = listener.getsockname()[1]
        with pytest.raises(SettingsError, match=f"--port: {port} cannot be used"), listening("127.0.0.1", port, "--port"):
            pass


def test_without_the_extra_the_command_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(SettingsError, match=re.escape("pip install 'push-dispatcher[ui]'")):
        libraries()


def test_a_user_without_a_name_is_logged_by_number(monkeypatch):
    def nameless():
        raise KeyError("no entry")

    monkeypatch.setattr(ui.getpass, "getuser", nameless)
    assert ui._user() == f"uid {os.getuid()}"
