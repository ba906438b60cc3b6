"""A new run: forms from the pool's template and the deployment's schema, a preview of the job, and repeats of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from dispatcher.client import JobPreview
from dispatcher.client.secrets import hide, of_pools, secret_parameters
from dispatcher.core.parameters import merged
from dispatcher.core.redaction import secret_texts
from dispatcher.errors import Fault, InvalidInput
from dispatcher.models import Deployment, Run, WorkPool
from dispatcher.web.pages.forms import Form, Sent
from dispatcher.web.pages.variables import EditedVariables
from dispatcher.web.pages.visit import Visit, gone_to
from dispatcher.web.pages.words import priority_in

PARAMETERS = "parameters"
FIELDS = ("pool", "deployment", "queue", "priority", "name", "due", "tags", "from")


@dataclass(frozen=True, kw_only=True)
class _Draft:
    """The parts of a new run."""

    pool: WorkPool
    deployment: Deployment | None
    source: Run | None
    """The run that it repeats."""
    fields: Mapping[str, str]

    @property
    def variables(self) -> EditedVariables:
        """The variables to fill in; at first those of the run that it repeats."""
        template = self.pool.base_job_template
        inherited = self.deployment.job_variables if self.deployment else {}
        secrets = of_pools([self.pool], [self.deployment] if self.deployment else [], [self.source] if self.source else [])
        form = Form(template["variables"], hide(secrets, inherited))
        return EditedVariables(form=form, secrets=secrets, stored=self.source.job_variables if self.source else {})

    @property
    def parameters(self) -> EditedVariables:
        """The parameters to fill in, likewise. Without a schema they are JSON."""
        schema = (self.deployment.parameter_openapi_schema if self.deployment else {}) or {"additionalProperties": True}
        secrets = of_pools([self.pool], [self.deployment] if self.deployment else [], [self.source] if self.source else [])
        form = Form(schema, hide(secrets, merged(self.deployment, {})), root=PARAMETERS, keeps_null=True)
        return EditedVariables(form=form, secrets=secrets, stored=self.source.parameters if self.source else {})


def new(visit: Visit) -> Response:
    """The form of a new run of a pool or a deployment, or of a repeat of an earlier run."""
    return _form(visit, _draft(visit, {name: visit.query(name) for name in FIELDS}))


def preview(visit: Visit) -> Response:
    """The same form with the job that its variables would give. Nothing is created."""
    draft = _sent(visit)
    try:
        variables, parameters = _read(draft, visit.form)
        name = draft.deployment.name if draft.deployment else None
        made = visit.client.preview_job(pool=draft.pool.name, deployment=name, job_variables=variables, parameters=parameters)
    except InvalidInput as problem:
        return _form(visit, draft, problem.faults)
    secrets = draft.variables.secrets | secret_texts(draft.pool.base_job_template, variables)
    secrets |= secret_parameters(draft.deployment, parameters)
    shown = replace(made, configuration=hide(secrets, made.configuration), parameters=hide(secrets, made.parameters))
    return _form(visit, draft, preview=shown)


def create(visit: Visit) -> Response:
    """Create the run, or show the faults beside the typed values."""
    draft = _sent(visit)
    try:
        variables, parameters = _read(draft, visit.form)
        made = visit.client.create_run(
            pool=None if draft.deployment else draft.pool.name,
            deployment=draft.deployment.name if draft.deployment else None,
            queue=draft.fields["queue"] or None,
            priority=priority_in(draft.fields["priority"]),
            name=draft.fields["name"] or None,
            scheduled_at=_due(draft.fields["due"], visit.sent("offset")),
            tags=[tag for tag in draft.fields["tags"].split("\n") if tag],
            job_variables=variables,
            parameters=parameters,
            idempotency_key=visit.sent("key") or None,
        )
    except InvalidInput as problem:
        return _form(visit, draft, problem.faults)
    return gone_to("runs", str(made.id))


def _read(draft: _Draft, sent: Sent) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The job variables and parameters that were sent. Raises `InvalidInput` with the faults of both."""
    values, faults = list[Mapping[str, Any]](), list[Fault]()
    for part in (draft.variables, draft.parameters):
        try:
            values.append(part.read(sent))
        except InvalidInput as problem:
            faults += problem.faults
    if faults:
        raise InvalidInput("form", faults)
    variables, parameters = values
    return variables, parameters


def _sent(visit: Visit) -> _Draft:
    return _draft(visit, {name: visit.sent(name) for name in FIELDS})


def _draft(visit: Visit, fields: dict[str, str]) -> _Draft:
    source = visit.client.run(fields["from"]) if fields["from"] else None
    if source and not visit.form:
        fields |= {"pool": source.pool, "deployment": source.deployment or "", "queue": source.queue, "name": ""}
        fields |= {"priority": str(source.priority) if source.priority else ""}
        fields |= {"tags": "\n".join(source.tags), "from": str(source.id)}
    owner = visit.client.deployment(fields["deployment"]) if fields["deployment"] else None
    pool = visit.client.work_pool(owner.pool if owner else fields["pool"])
    return _Draft(pool=pool, deployment=owner, source=source, fields=fields)


def _due(text: str, offset: str) -> datetime | None:
    """The typed time. `offset`: the minutes by which its zone is ahead of UTC; without scripts, the time is in UTC."""
    try:
        zone = timezone(timedelta(minutes=int(offset or "0")))
        return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC) if text else None
    except (ValueError, OverflowError):
        raise InvalidInput("run", [Fault("due", f"must be a time as 2026-12-01T08:00, not {text!r}")]) from None


def _form(visit: Visit, draft: _Draft, faults: Sequence[Fault] = (), preview: JobPreview | None = None) -> Response:
    status = HTTPStatus.UNPROCESSABLE_ENTITY if faults else HTTPStatus.OK
    values: dict[str, Any] = {
        "pool": draft.pool,
        "deployment": draft.deployment,
        "source": draft.source,
        "fields": draft.fields,
    }
    key = visit.sent("key") or str(visit.client.clock.new_id())
    values |= draft.variables.drawn(visit.form or None, faults)
    values["parameters"] = draft.parameters.drawn(visit.form or None, faults)
    return visit.render("new_run.html", status=status, faults=faults, preview=preview, key=key, **values)
