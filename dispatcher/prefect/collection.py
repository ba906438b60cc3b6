"""A plug-in for Prefect's own command line (entry point group `prefect.collections`): it knows the push types.

Where it is installed beside Prefect, `prefect work-pool create --type ecs:push` and `get-default-base-job-template` work on an
open-source server too. The server needs nothing, and nothing of this project imports this module.
"""

from __future__ import annotations

from typing import Any

from prefect.workers.base import BaseJobConfiguration, BaseWorker

from providers import registry


async def _run(worker: Any, **_flow_run: Any) -> None:
    """No worker runs flows of a push pool: `prefect worker start` refuses such pools before it comes here."""
    raise NotImplementedError(f"no worker is needed for work pools of the type {worker.type}: push-dispatcher serves them")


def _worker_of(pool_type: str) -> Any:
    """A worker class, as Prefect registers types of pools: by being defined."""
    members = {
        "type": pool_type,
        "job_configuration": BaseJobConfiguration,
        "get_default_base_job_template": classmethod(lambda _cls: registry.default_template(pool_type)),
        "run": _run,
        "_description": "Started by push-dispatcher, which needs no worker.",
        "_display_name": f"push-dispatcher: {pool_type}",
        "__module__": __name__,
        "__doc__": f"Work pools of the type {pool_type}.",
    }
    return type("".join(word.capitalize() for word in pool_type.replace(":", "-").split("-")), (BaseWorker,), members)


PUSH_TYPES = {name: _worker_of(name) for name in registry.types() if name.endswith(":push")}
