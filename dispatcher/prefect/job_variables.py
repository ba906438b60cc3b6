"""The job variables of flow runs, from all that they are made of at the server: deployments, flows, variables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dispatcher.models import WorkPool
from dispatcher.prefect.flow_runs import FlowRun, variables_of
from dispatcher.prefect.server import PrefectServer
from dispatcher.prefect.variables import ServerVariables


@dataclass
class JobVariables:
    """What one tick has read, each once. A claimed flow run is compared with what its job was made from."""

    server: PrefectServer
    variables: ServerVariables
    _deployments: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    _flow_names: dict[str, str | None] = field(default_factory=dict)

    def of(self, flow_run: FlowRun, pool: WorkPool) -> dict[str, Any]:
        """The job variables of a run that is made of the flow run now. Raises `SourceError`."""
        self.read([flow_run])
        deployment = self._deployments.get(flow_run.deployment_id or "")
        flow_name = self._flow_names.get(flow_run.flow_id or "")
        return self.variables.filled_all(variables_of(flow_run, deployment, pool, flow_name))

    def read(self, flow_runs: Sequence[FlowRun]) -> None:
        """Read what belongs to at most a page of flow runs, in one call for each kind."""
        deployments = {flow_run.deployment_id for flow_run in flow_runs if flow_run.deployment_id} - self._deployments.keys()
        if deployments:
            read = self.server.deployments(sorted(deployments))
            self._deployments |= {identity: read.get(identity, {}) for identity in deployments}
        flows = {flow_run.flow_id for flow_run in flow_runs if flow_run.flow_id} - self._flow_names.keys()
        if flows:
            names = self.server.flow_names(sorted(flows))
            self._flow_names |= {identity: names.get(identity) for identity in flows}
