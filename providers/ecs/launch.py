"""How a task is launched: a launch type, or a capacity provider strategy, never both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from providers.base import ConfigurationError
from providers.ecs.values import name_of, objects, pruned

CLUSTER_DEFAULT = "CLUSTER_DEFAULT"
"""Not a launch type of ECS, but a name for neither launch type nor strategy: the cluster's own strategy then holds."""
LAUNCH_TYPES = frozenset({"FARGATE", "EC2", "EXTERNAL"})
SPOT = "FARGATE_SPOT"
"""Not a launch type of ECS, but Prefect's name for this strategy."""
FARGATE_PROVIDERS = frozenset({"FARGATE", SPOT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """Either one of them, or neither: then the cluster's default strategy holds."""

    launch_type: str | None = None
    strategy: tuple[Mapping[str, Any], ...] = ()
    cluster_default: bool = False
    """True where the cluster's default strategy was asked for, which may be Fargate or machines of one's own."""

    @property
    def fargate(self) -> bool:
        """True when the task can only land on Fargate."""
        if not self.strategy:
            return self.launch_type == "FARGATE"
        return all(item.get("capacityProvider") in FARGATE_PROVIDERS for item in self.strategy)

    @property
    def parameters(self) -> dict[str, Any]:
        """As parameters of RunTask."""
        if self.strategy:
            return {"capacityProviderStrategy": list(self.strategy)}
        return {"launchType": self.launch_type} if self.launch_type else {}


def launch_of(request: Mapping[str, Any], compatibilities: Sequence[str]) -> Launch:
    """Read RunTask parameters; `compatibilities` are the task definition's `requiresCompatibilities`.

    A strategy removes the launch type. Without both, Fargate is meant, unless the definition is made for something else.
    """
    path = "task_run_request.capacityProviderStrategy"
    strategy = tuple(objects(pruned(request.get("capacityProviderStrategy")), path))
    launch_type = name_of(request.get("launchType"), "launch_type")
    if strategy:
        return Launch(strategy=strategy)
    if launch_type == SPOT:
        return Launch(strategy=({"capacityProvider": SPOT, "weight": 1},))
    if launch_type == CLUSTER_DEFAULT:
        return Launch(cluster_default=True)
    if launch_type is None:
        return Launch(launch_type=_default(compatibilities))
    if launch_type not in LAUNCH_TYPES:
        known = ", ".join(sorted(LAUNCH_TYPES | {SPOT, CLUSTER_DEFAULT}))
        raise ConfigurationError(f"launch_type: {launch_type!r} is none of {known}; for others give capacity_provider_strategy")
    return Launch(launch_type=launch_type)


def _default(compatibilities: Sequence[str]) -> str | None:
    elsewhere = "EC2" in compatibilities or (compatibilities and "FARGATE" not in compatibilities)
    return None if elsewhere else "FARGATE"
