"""The author's settings of a managed job, in one vocabulary for all platforms: checked, and limited by the platform team."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from providers.base import ConfigurationError, Finding
from providers.managed.setting import VARIABLE, Maximum
from providers.remarks import Unusable, findings_of, start_timeout_faults
from providers.values import command, mapping, named_texts, number, optional_text, texts

READ = frozenset(
    {"name", "image", "command", "env", "labels", "pip_packages", "cpu", "memory", "timeout", "task_start_timeout_seconds"}
)
"""The keys of a job configuration that are read here."""

_UNITS = {"cpu": "cores", "memory": "MiB", "timeout": "seconds"}
_PACKAGE = re.compile(r"[A-Za-z0-9][^\0\n]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """An author's settings. None or empty: not set."""

    name: str = ""
    image: str = ""
    command: tuple[str, ...] = ()
    env: Mapping[str, Any]
    labels: Mapping[str, str]
    pip_packages: tuple[str, ...] = ()
    cpu: float | None = None
    """Cores."""
    memory: float | None = None
    """MiB."""
    timeout: int | None = None
    """Seconds."""


def wish_of(configuration: Mapping[str, Any], maximum: Maximum) -> Wish:
    """Read a rendered configuration. Raises `Unusable` with every field that is wrong or asks for too much."""
    faults = [*start_timeout_faults(configuration), *_too_much(configuration, maximum)]
    try:
        wish = _read(configuration, maximum)
    except ConfigurationError as problem:
        raise Unusable([*faults, *findings_of(problem)]) from None
    if faults:
        raise Unusable(faults)
    return wish


def _read(configuration: Mapping[str, Any], maximum: Maximum) -> Wish:
    seconds = _amount(configuration, "timeout") or maximum.timeout
    return Wish(
        name=optional_text(configuration.get("name"), "name"),
        image=optional_text(configuration.get("image"), "image"),
        command=tuple(command(configuration.get("command"), "command")),
        env=mapping(configuration.get("env"), "env"),
        labels=named_texts(configuration.get("labels"), "labels"),
        pip_packages=tuple(_packages(configuration.get("pip_packages"))),
        cpu=_amount(configuration, "cpu"),
        memory=_amount(configuration, "memory"),
        timeout=max(1, round(seconds)) if seconds else None,
    )


def _amount(configuration: Mapping[str, Any], name: str) -> float | None:
    value = configuration.get(name)
    return None if value in (None, "") else float(number(value, name))


def _packages(value: Any) -> Iterator[str]:
    """Requirements in pip's form; options (`--index-url`) are refused."""
    for index, package in enumerate(texts(value, "pip_packages")):
        if not _PACKAGE.fullmatch(package):
            raise ConfigurationError(f"pip_packages[{index}]: give a package, as 'polars' or 'polars==1.9'")
        yield package


def _too_much(configuration: Mapping[str, Any], maximum: Maximum) -> Iterator[Finding]:
    for name, unit in _UNITS.items():
        most = getattr(maximum, name)
        try:
            amount = _amount(configuration, name)
        except ConfigurationError:  # said when it is read
            continue
        if most is not None and amount is not None and amount > most:
            message = f"{amount:g} {unit} are more than the {most:g} that managed pools allow ({VARIABLE}: maximum.{name})"
            yield Finding(path=name, message=message)
