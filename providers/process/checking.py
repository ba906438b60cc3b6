"""Checks of a rendered configuration before its process is started."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from providers.base import Checked, ConfigurationError, Finding, Job, Needs
from providers.process.configuration import NO_EFFECT, READ, NotOnThisMachine, own_faults, request_of
from providers.remarks import START_TIMEOUT, finding_of

_SOMEBODY = "r" + "0" * 32 + "-1"


def needs_of(configuration: Mapping[str, Any]) -> Needs:  # noqa: ARG001 - every provider's has it
    """One place for all processes: this machine."""
    return Needs()


def check(configuration: Mapping[str, Any]) -> Checked:
    """Everything that `submit` would reject or would accept without effect.

    A command or a working directory that does not exist here is only a warning: the check may run on another machine than the
    ticks or with another PATH.
    """
    faults, absent = own_faults(configuration), []
    content = {key: value for key, value in configuration.items() if key in READ and key != START_TIMEOUT}
    try:
        request_of(Job(name=_SOMEBODY, configuration=content), os.environ)
    except NotOnThisMachine as problem:
        absent.append(finding_of(problem))
    except ConfigurationError as problem:
        faults.append(finding_of(problem))
    return Checked(faults=tuple(faults), warnings=(*absent, *_warnings(configuration)))


def _warnings(configuration: Mapping[str, Any]) -> Iterator[Finding]:
    """Warnings about ignored variables whose values differ from the template's default."""
    if configuration.get("stream_output") is False:
        yield Finding(path="stream_output", message=NO_EFFECT["stream_output"])
