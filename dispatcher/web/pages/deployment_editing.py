"""A deployment and its schedules as forms, by the schema of a configuration file. A change is shown before it is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from dispatcher.client import configuration_schema
from dispatcher.client.entries import DEPLOYMENT, SCHEDULE, NounKind, read_fields
from dispatcher.client.secrets import hide, of_runs
from dispatcher.core.changes import FieldChange, default_of, sparse
from dispatcher.core.placeholders import joined
from dispatcher.errors import AlreadyExists, Fault, InvalidInput, NotFound
from dispatcher.models import Deployment, Schedule
from dispatcher.web.pages.forms import Form
from dispatcher.web.pages.variables import EditedVariables
from dispatcher.web.pages.visit import Visit, back_of, gone_back
from dispatcher.web.pages.words import url

ROOT = "entry"
EDITED = (
    *("description", "pool", "queue", "concurrency_limit", "on_collision", "max_waiting", "expires_after", "priority"),
    *("weight", "tags", "job_variables", "parameters", "retry", "hooks", "parameter_openapi_schema"),
)
"""The fields in a deployment's form. Its schedules have their own forms, and its pause has a button."""

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Subject:
    """What one form edits."""

    deployment: Deployment
    secrets: frozenset[str]
    slug: str | None = None
    """The slug of the edited schedule; empty for a new one, None for the deployment itself."""

    @property
    def schedule(self) -> Schedule | None:
        """The stored schedule; None for a new one, and for the deployment itself."""
        return next((rule for rule in self.deployment.schedules if rule.slug == self.slug), None)

    @property
    def variables(self) -> EditedVariables:
        """The form, and the stored values."""
        if self.slug is None:
            stored = {name: value for name, value in sparse(self.deployment).items() if name in EDITED}
            return EditedVariables(form=_form("Deployment", EDITED), secrets=self.secrets, stored=stored)
        stored = sparse(self.schedule) if self.schedule else {}
        return EditedVariables(form=_form("Schedule"), secrets=self.secrets, stored=stored)


def edit(visit: Visit) -> Response:
    """The form of a deployment."""
    return _page(visit, _deployment(visit))


def save(visit: Visit) -> Response:
    """Save the form of a deployment, or show what it would change, or its faults."""
    return _saved(visit, _deployment(visit), _changed_fields)


def edit_schedule(visit: Visit) -> Response:
    """The form of a schedule: the one that the address names, or a new one. Raises `NotFound`."""
    return _page(visit, _schedule(visit, visit.query("slug")))


def save_schedule(visit: Visit) -> Response:
    """Save the form of a schedule, or show what it would change, or its faults."""
    return _saved(visit, _schedule(visit, visit.sent("slug")), partial(_with_schedule, visit))


def _deployment(visit: Visit) -> _Subject:
    record = visit.client.deployment(visit.path("deployment"))
    return _Subject(deployment=record, secrets=of_runs(visit.client.store, (), [record]))


def _schedule(visit: Visit, slug: str) -> _Subject:
    subject = replace(_deployment(visit), slug=slug)
    if slug and subject.schedule is None:
        raise NotFound(f"deployment {subject.deployment.name!r} has no schedule {slug!r}")
    return subject


def _saved(visit: Visit, subject: _Subject, changed: Callable[[_Subject, Values], dict[str, Any]]) -> Response:
    name, version = subject.deployment.name, visit.sent("version")
    client = visit.client.only_at(deployment=int(version) if version.isdecimal() and len(version) < 12 else None)
    try:
        values = changed(subject, subject.variables.read(visit.form))
        plan = client.plan_deployment(name, **values)
        if visit.sent("confirmed") != "yes":
            return _page(visit, subject, plan=plan)
        if plan:
            client.update_deployment(name, **values)
    except InvalidInput as problem:
        return _page(visit, subject, problem.faults)
    except AlreadyExists as problem:
        return _page(visit, subject, [Fault("slug", str(problem))])
    return gone_back(visit, url("deployments", name))


def _changed_fields(subject: _Subject, entry: Values) -> dict[str, Any]:
    """The fields of the deployment that the form changes. Empty fields have their defaults."""
    read = _read(DEPLOYMENT, entry)
    values = {field.name: read.get(field.name, default_of(field)) for field in fields(Deployment) if field.name in EDITED}
    return {name: value for name, value in values.items() if value != getattr(subject.deployment, name)}


def _with_schedule(visit: Visit, subject: _Subject, entry: Values) -> dict[str, Any]:
    """The schedules after the change: with this one changed, added or removed. Raises `InvalidInput` or `AlreadyExists`."""
    others = [rule for rule in subject.deployment.schedules if rule.slug != subject.slug]
    if visit.sent("remove") == "yes":
        return {"schedules": others}
    slug = subject.slug or visit.sent("new_slug").strip()
    if any(rule.slug == slug for rule in others):
        raise AlreadyExists(f"schedule {slug!r} of deployment {subject.deployment.name!r} already exists; choose another")
    made = Schedule(slug=slug, **_read(SCHEDULE, entry))
    if subject.slug:
        return {"schedules": [made if rule.slug == slug else rule for rule in subject.deployment.schedules]}
    return {"schedules": [*others, made]}


def _read(kind: NounKind, entry: Values) -> dict[str, Any]:
    try:
        return read_fields(kind, entry)
    except InvalidInput as problem:
        faults = [Fault(joined(ROOT, fault.path), fault.message) for fault in problem.faults]
        raise InvalidInput(kind.subject, faults) from None


def _form(noun: str, names: Sequence[str] = ()) -> Form:
    """The form of a noun of configuration files. A field that has a value already is not required."""
    definitions = configuration_schema()["$defs"]
    schema = definitions[noun]
    declared = {name: schema["properties"][name] for name in names or schema["properties"]}
    return Form({"type": "object", "properties": declared, "$defs": definitions}, root=ROOT)


def _page(
    visit: Visit, subject: _Subject, faults: Sequence[Fault] = (), *, plan: Sequence[FieldChange] | None = None
) -> Response:
    prefix = f"schedules.{subject.slug}." if subject.slug else ""
    own = [replace(fault, path=joined(ROOT, fault.path.removeprefix(prefix).removeprefix(f"{ROOT}."))) for fault in faults]
    sent = visit.form or None
    drawn = subject.variables.drawn(sent, own)["form"]
    changes = None
    if plan is not None:
        changes = [(change.path, hide(subject.secrets, change.before), hide(subject.secrets, change.after)) for change in plan]
    again = [(name, value) for name, values in visit.form.items() for value in values if name not in ("version", "confirmed")]
    status = HTTPStatus.UNPROCESSABLE_ENTITY if faults else HTTPStatus.OK
    values = {"faults": faults, "changes": changes, "again": again, "new_slug": visit.sent("new_slug"), "back": back_of(visit)}
    return visit.render(
        "deployment_edit.html", status=status, deployment=subject.deployment, slug=subject.slug, form=drawn, **values
    )
