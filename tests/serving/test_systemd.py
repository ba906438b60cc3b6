"""systemd is notified where it has started the process."""

from __future__ import annotations

import socket

import pytest

from dispatcher.serving.systemd import READY, Systemd


@pytest.mark.parametrize("abstract", [False, True])
def test_a_state_goes_to_the_socket_of_the_environment(tmp_path, abstract):
    address = f"@{tmp_path}/notify" if abstract else f"{tmp_path}/notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0{address[1:]}" if abstract else address)
        listening.settimeout(10)
        Systemd({"NOTIFY_SOCKET": address})(READY)
        assert listening.recv(100) == b"READY=1"


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "/nowhere/notify"}])
def test_a_service_without_a_notify_socket_works(environment):
    Systemd(environment)(READY)
