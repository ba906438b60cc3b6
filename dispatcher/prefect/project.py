"""A `prefect.yaml` as our configuration, for those who leave Prefect's server out. Pure.

Every deployment with a work pool becomes a deployment of ours. What Prefect looks up when it deploys (variables, the
environment, outputs of build steps) becomes a variable of the file. What has no counterpart is listed with its path and what to
do about it.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dispatcher.core.names import with_end
from dispatcher.core.placeholders import joined
from dispatcher.errors import Fault, InvalidInput
from dispatcher.models import DEFAULT_QUEUE, FORBIDDEN_IN_NAMES, OnCollision
from dispatcher.prefect.lookups import Lookups
from dispatcher.prefect.project_schedules import schedules_of

Shown = Mapping[str, Any]
"""A work pool as Prefect's server shows it; `type` is always there, `queues` are those that the server has."""

SUBJECT = "prefect.yaml"

WITHOUT_COUNTERPART: Mapping[str, str] = {
    "build": "build and push the image in your own pipeline, and name it in job_variables.image",
    "push": "push the image in your own pipeline",
    "pull": "put the flow's code into the image, and set its working directory there",
    "triggers": "make an automation of ours, or call `dispatcher deployment run` from where the event is",
    "sla": "a hook with `late_after` notifies of runs that wait too long",
    "version": "keep it as a tag, or in your version control",
}
"""The keys of a deployment that have no counterpart, with what to do instead."""

COLLISIONS = {"ENQUEUE": OnCollision.WAIT, "CANCEL_NEW": OnCollision.SKIP}

RUNS_A_FLOW = (
    "import json, os; from prefect.flows import load_flow_from_entrypoint as load; "
    "load({entrypoint!r})(**json.loads(os.environ.get('DISPATCHER_PARAMETERS') or '{{}}'))"
)
"""What a job runs: the flow itself, without a server that knows of it."""

NEEDS_A_SERVER = "flow-run execute"


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A configuration, and the parts of the project that it leaves out."""

    configuration: Mapping[str, Any]
    left_out: tuple[Fault, ...]


def pools_named(project: Any) -> list[str]:
    """The work pools that the deployments of a project name, in order. Raises `InvalidInput` for what is not a project."""
    names = (_mapping(deployment.get("work_pool")).get("name") for deployment in _deployments(project))
    return list(dict.fromkeys(name for name in names if isinstance(name, str) and name))


def imported(project: Any, pools: Mapping[str, Shown]) -> Imported:
    """The configuration of a project whose work pools are these. Raises `InvalidInput` for what is not a project."""
    deployments = _deployments(project)
    if unknown := [name for name in pools_named(project) if name not in pools]:
        words = f"say the type of the work pool: --type {unknown[0]}=ecs:push, or --api-url for all of them"
        raise InvalidInput(SUBJECT, [Fault(f"work pool {name!r}", words) for name in unknown])
    reading = _ProjectReading(Lookups(), [])
    actions = [key for key in ("build", "push", "pull") if project.get(key)]
    reading.leave_out((key, WITHOUT_COUNTERPART[key]) for key in actions)
    names = _names(deployments)
    read = {
        name: reading.deployment(deployment, f"deployments[{number}]")
        for number, (deployment, name) in enumerate(zip(deployments, names, strict=True))
        if reading.can_be_read(deployment, f"deployments[{number}]")
    }
    variables = {"variables": reading.lookups.variables} if reading.lookups.variables else {}
    configuration = {**variables, "pools": _pools(read.values(), pools), "deployments": read}
    return Imported(configuration=configuration, left_out=tuple(reading.left_out))


@dataclass
class _ProjectReading:
    """One pass over a project; what is left out is noted on the way."""

    lookups: Lookups
    left_out: list[Fault]

    def leave_out(self, parts: Iterable[tuple[str, str]]) -> None:
        self.left_out += [Fault(path, message) for path, message in parts]

    def can_be_read(self, deployment: Mapping[str, Any], path: str) -> bool:
        pool = _mapping(deployment.get("work_pool")).get("name")
        if not deployment.get("name") or not isinstance(pool, str) or not pool or "{{" in pool:
            self.leave_out([(path, "the whole deployment: it needs a `name` and a `work_pool.name`")])
            return False
        return True

    def deployment(self, deployment: Mapping[str, Any], path: str) -> dict[str, Any]:
        self.leave_out((joined(path, key), words) for key, words in WITHOUT_COUNTERPART.items() if deployment.get(key))
        work_pool = _mapping(deployment.get("work_pool"))
        rest = {key: deployment.get(key) for key in ("tags", "description", "parameters", "paused")}
        fields: dict[str, Any] = {
            "pool": work_pool["name"],
            "queue": work_pool.get("work_queue_name"),
            **{key: self._filled(value, joined(path, key)) for key, value in rest.items()},
            "job_variables": self._job_variables(deployment, work_pool, path),
            **self._limit(deployment.get("concurrency_limit"), joined(path, "concurrency_limit")),
            "schedules": schedules_of(deployment, path, self._filled, self.left_out),
        }
        return {key: value for key, value in fields.items() if value not in (None, "", [], {}, False)}

    def _job_variables(self, deployment: Mapping[str, Any], work_pool: Mapping[str, Any], path: str) -> dict[str, Any]:
        where = joined(joined(path, "work_pool"), "job_variables")
        variables = dict(_mapping(self._filled(_mapping(work_pool.get("job_variables")), where)))
        entrypoint = deployment.get("entrypoint")
        if NEEDS_A_SERVER in str(variables.get("command") or ""):
            self.leave_out(
                [(joined(where, "command"), "needs Prefect's server, and was replaced by one that runs the flow itself")]
            )
            del variables["command"]
        if not variables.get("command") and isinstance(entrypoint, str) and entrypoint:
            variables["command"] = shlex.join(["python", "-c", RUNS_A_FLOW.format(entrypoint=entrypoint)])
        elif not variables.get("command"):
            self.leave_out([(joined(path, "entrypoint"), "is missing: say in job_variables.command what its jobs run")])
        return variables

    def _limit(self, limit: Any, path: str) -> dict[str, Any]:
        if not isinstance(limit, Mapping):
            return {"concurrency_limit": self._filled(limit, path)}
        if limit.get("grace_period_seconds") is not None:
            self.leave_out([(joined(path, "grace_period_seconds"), "a slot is freed when the end of its job is seen")])
        strategy = COLLISIONS.get(str(limit.get("collision_strategy") or "ENQUEUE"), OnCollision.WAIT)
        collision = {"on_collision": strategy.value} if strategy is not OnCollision.WAIT else {}
        return {"concurrency_limit": self._filled(limit.get("limit"), joined(path, "limit")), **collision}

    def _filled(self, value: Any, path: str) -> Any:
        filled, faults = self.lookups.filled(value, path)
        self.left_out += faults
        return filled


def _deployments(project: Any) -> Sequence[Mapping[str, Any]]:
    deployments = project.get("deployments") if isinstance(project, Mapping) else None
    if not isinstance(deployments, list) or not all(isinstance(deployment, Mapping) for deployment in deployments):
        raise InvalidInput(SUBJECT, [Fault("deployments", "must be a list of deployments, as `prefect init` writes it")])
    return deployments


def _names(deployments: Sequence[Mapping[str, Any]]) -> list[str]:
    """A unique name for each. Prefect's are unique within a flow: where two are equal, the flow's name is put first."""
    counts = Counter(str(deployment.get("name")) for deployment in deployments)
    names: list[str] = []
    for deployment in deployments:
        name = str(deployment.get("name"))
        name = _clean(f"{_flow_of(deployment)}-{name}" if counts[name] > 1 and _flow_of(deployment) else name)
        number, unique = 2, name
        while unique in names:
            number, unique = number + 1, with_end(name, f"-{number}")
        names.append(unique)
    return names


def _flow_of(deployment: Mapping[str, Any]) -> str:
    return str(deployment.get("flow_name") or str(deployment.get("entrypoint") or "").rpartition(":")[2])


def _clean(name: str) -> str:
    return with_end(
        "".join("-" if letter in FORBIDDEN_IN_NAMES or not letter.isprintable() else letter for letter in name).strip(), ""
    )


def _pools(deployments: Iterable[Mapping[str, Any]], shown: Mapping[str, Shown]) -> dict[str, Any]:
    pools: dict[str, Any] = {}
    for deployment in deployments:
        name, queue = deployment["pool"], deployment.get("queue", DEFAULT_QUEUE)
        pools.setdefault(name, _pool(shown[name]))["queues"].setdefault(queue, {})
    return {name: {**pool, "queues": _in_order(pool["queues"])} for name, pool in pools.items()}


def _pool(shown: Shown) -> dict[str, Any]:
    queues = {str(queue["name"]): _queue(queue) for queue in shown.get("queues", ())}
    fields = {
        "type": shown["type"],
        "concurrency_limit": shown.get("concurrency_limit"),
        "paused": shown.get("is_paused"),
        "description": shown.get("description"),
        "base_job_template": shown.get("base_job_template"),
    }
    return {**{key: value for key, value in fields.items() if value not in (None, "", {}, False)}, "queues": queues}


def _queue(shown: Shown) -> dict[str, Any]:
    keys = ("priority", "concurrency_limit", "description")
    fields = {key: shown.get(key) for key in keys} | {"paused": shown.get("is_paused")}
    return {key: value for key, value in fields.items() if value not in (None, "", False)}


def _in_order(queues: Mapping[str, Any]) -> dict[str, Any]:
    """Those without a number go last; `default`, which every pool has, among them."""
    with_default = {**queues, DEFAULT_QUEUE: queues.get(DEFAULT_QUEUE, {})}
    last: Callable[[tuple[str, Any]], float] = lambda item: item[1].get("priority", float("inf"))  # noqa: E731 - a sort key
    return dict(sorted(with_default.items(), key=last))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
