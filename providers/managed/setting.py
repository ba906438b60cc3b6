"""The platform team's setting for all managed pools: `DISPATCHER_MANAGED`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from providers.base import ConfigurationError
from providers.values import mapping, number, required_text

VARIABLE = "DISPATCHER_MANAGED"
KEYS = ("type", "job_variables", "maximum")
FAMILIES = ("process", "docker", "kubernetes", "ecs", "cloud-run-v2", "azure-container-instance", "modal", "vertex-ai")
"""Pool types that can be behind a managed pool, push types and worker types alike."""

HOSTED = ("AWS_LAMBDA_FUNCTION_NAME", "K_SERVICE", "FUNCTIONS_WORKER_RUNTIME", "MODAL_TASK_ID", "KUBERNETES_SERVICE_HOST")
"""Variables of hosts on which authors must not run processes, because these would have the dispatcher's own rights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Maximum:
    """The most that one job may request; None: no limit but the platform's."""

    cpu: float | None = None
    """Cores."""
    memory: float | None = None
    """MiB."""
    timeout: float | None = None
    """Seconds. A job without a time limit gets this one."""
    concurrency: int | None = None
    """The most live jobs of one pool, whatever its own limit is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Managed:
    """The checked setting."""

    type: str
    """The pool type behind, such as `ecs:push`."""
    job_variables: Mapping[str, Any] = field(default_factory=dict)
    """Values for variables of that type's default template: a cluster, subnets, a region, a default image."""
    maximum: Maximum = field(default_factory=Maximum)

    @property
    def family(self) -> str:
        """The type without `:push`."""
        return self.type.removesuffix(":push")

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> Self:
        """Read the setting's object. Raises `ConfigurationError` that names the field."""
        if unknown := sorted(set(value) - set(KEYS)):
            raise ConfigurationError(f"{VARIABLE}: has unknown keys: {', '.join(unknown)}; the keys are {', '.join(KEYS)}")
        kind = required_text(value.get("type"), f"{VARIABLE}: type")
        if kind.removesuffix(":push") not in FAMILIES:
            raise ConfigurationError(f"{VARIABLE}: type: give one of {', '.join(FAMILIES)}, not {kind!r:.80}")
        variables = mapping(value.get("job_variables"), f"{VARIABLE}: job_variables")
        return cls(type=kind, job_variables=variables, maximum=_maximum(mapping(value.get("maximum"), f"{VARIABLE}: maximum")))


def _maximum(value: Mapping[str, Any]) -> Maximum:
    names = Maximum.__dataclass_fields__.keys()
    if unknown := sorted(set(value) - set(names)):
        raise ConfigurationError(
            f"{VARIABLE}: maximum: has unknown keys: {', '.join(unknown)}; the keys are {', '.join(names)}"
        )
    amounts = {name: number(amount, f"{VARIABLE}: maximum.{name}") for name, amount in value.items() if amount is not None}
    if "concurrency" in amounts:
        amounts["concurrency"] = int(amounts["concurrency"])
    return Maximum(**amounts)  # type: ignore[arg-type]  # whole, as it stands above


def managed_of(environment: Mapping[str, str]) -> Managed | None:
    """The setting in an environment; None if it is not set. Raises `ConfigurationError`."""
    text = environment.get(VARIABLE)
    if not text:
        return None
    try:
        value = json.loads(text)
    except ValueError as problem:
        raise ConfigurationError(f"{VARIABLE}: is not JSON: {problem}") from None
    return Managed.of(mapping(value, VARIABLE)) if value else None


def default_of(environment: Mapping[str, str]) -> Managed:
    """The default of the setting: processes on the ticking machine, if that is the author's own.

    Raises `ConfigurationError` on a host that only runs the dispatcher.
    """
    if any(environment.get(name) for name in HOSTED):
        raise ConfigurationError(
            f'{VARIABLE}: is not set; say what managed pools are here, as {{"type": "ecs:push", "job_variables": {{...}}}}'
        )
    return Managed(type="process")
