"""Checks of a rendered configuration before any call: all remarks when it is saved, only the faults at a submission.

They do not need Modal's SDK.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from providers.base import Checked, ConfigurationError, Finding, Job
from providers.modal.request import OBJECT_NAME, read
from providers.remarks import finding_of, unknown_keys

READ = frozenset(
    {"command", "env", "labels", "modal_credentials", "app", "modal_environment", "image", "pip_packages", "secrets"}
    | {"cpu", "memory", "gpu", "timeout", "region", "cloud", "workdir"}
)
"""The keys of a job configuration that are read here."""

ELSEWHERE: Mapping[str, str] = {"modal_credentials": "says who asks Modal, so it is not part of a sandbox"}
"""Keys that have an effect but are not part of the request."""

NO_EFFECT: Mapping[str, str] = {
    "name": "has no effect on Modal: the sandbox is called after its run, so that it is never started twice",
}
"""Keys that are accepted and ignored, each with the reason."""

_IMAGE = frozenset({"tag", "secret", "add_python", "registry_secret", "aws_secret", "gcp_secret"})


def check(configuration: Mapping[str, Any]) -> Checked:
    """Everything that `submit` would reject or would accept without effect."""
    warnings = [Finding(path=key, message=reason) for key, reason in NO_EFFECT.items() if configuration.get(key)]
    return Checked(faults=tuple(faults(configuration)), warnings=tuple(warnings))


def faults(configuration: Mapping[str, Any]) -> list[Finding]:
    """All faults of a configuration, without repeats."""
    rules = (_own_keys, _image, _names, _request_faults)
    return list(dict.fromkeys(finding for rule in rules for finding in _collected(rule, configuration)))


def _collected(rule: Callable[[Mapping[str, Any]], Iterable[Finding]], configuration: Mapping[str, Any]) -> list[Finding]:
    """The faults that a rule returns, or the one that it raises."""
    findings: list[Finding] = []
    try:
        findings.extend(rule(configuration))
    except ConfigurationError as problem:
        findings.append(finding_of(problem))
    return findings


def _own_keys(configuration: Mapping[str, Any]) -> Iterator[Finding]:
    yield from unknown_keys(configuration, READ | NO_EFFECT.keys())


def _image(configuration: Mapping[str, Any]) -> Iterator[Finding]:
    image = configuration.get("image")
    if isinstance(image, Mapping):
        yield from unknown_keys(image, _IMAGE, "image")


def _names(configuration: Mapping[str, Any]) -> Iterator[Finding]:
    for key in ("app", "modal_environment"):
        name = configuration.get(key)
        if name and isinstance(name, str) and not OBJECT_NAME.fullmatch(name):
            yield Finding(path=key, message=f"give at most 63 letters, digits, -, . and _, not {name!r}")
    workdir = configuration.get("workdir")
    if workdir and isinstance(workdir, str) and not workdir.startswith("/"):
        yield Finding(path="workdir", message=f"give an absolute path, not {workdir!r}")


def _request_faults(configuration: Mapping[str, Any]) -> Iterator[Finding]:
    """The fault raised by building the request."""
    read(Job(name="r0-1", configuration=configuration))
    yield from ()
