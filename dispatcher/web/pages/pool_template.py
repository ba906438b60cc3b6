"""The base job template of a pool: its defaults as a form, the whole as JSON, and the job that it gives for trial variables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from dispatcher.client import JobPreview, PoolPlan
from dispatcher.client.checks import coerced_variables
from dispatcher.client.secrets import hide, of_pools
from dispatcher.core.redaction import secret_texts
from dispatcher.errors import Fault, InvalidInput
from dispatcher.models import WorkPool
from dispatcher.web.pages.forms import Form, as_sent
from dispatcher.web.pages.variables import as_text, is_json, json_object, only, with_secrets
from dispatcher.web.pages.visit import Visit, back_of, gone_back
from dispatcher.web.pages.words import url

Template = Mapping[str, Any]


def template(visit: Visit) -> Response:
    """The base job template."""
    record = visit.client.work_pool(visit.path("pool"))
    return _page(visit, record, _shown(record))


def save_template(visit: Visit) -> Response:
    """Save a new template, or show what it would change and the job that it gives, or its faults."""
    record = visit.client.work_pool(visit.path("pool"))
    typed: Template = _shown(record)
    try:
        typed = _typed(visit, record)
        template = with_secrets(typed, record.base_job_template, _shown(record))
        version = visit.sent("version")
        client = visit.client.only_at(pool=int(version) if version.isdecimal() and len(version) < 12 else None)
        plan = client.plan_pool(record.name, base_job_template=template)
    except InvalidInput as problem:
        return _page(visit, record, typed, problem.faults)
    if visit.sent("confirmed") != "yes":
        return _page(visit, record, typed, plan=plan, preview=_preview(visit, record, template))
    visit.client.apply_pool(plan)
    return gone_back(visit, url("pools", record.name))


def defaults_of(template: Template) -> tuple[Form, dict[str, Any]]:
    """A form for the defaults of a template's variables, and these defaults."""
    variables = template["variables"]
    declared = variables.get("properties") or {}
    bare = {name: _without_default(schema) for name, schema in declared.items()}
    values = {
        name: schema["default"] for name, schema in declared.items() if isinstance(schema, Mapping) and "default" in schema
    }
    schema = {key: value for key, value in variables.items() if key not in ("required", "additionalProperties")}
    return Form({**schema, "properties": bare}), values


def with_defaults(template: Template, values: Mapping[str, Any]) -> Template:
    """The template with only these defaults."""
    declared = template["variables"].get("properties") or {}
    properties = {
        name: _with_default(schema, values[name]) if name in values else _without_default(schema)
        for name, schema in declared.items()
    }
    return {**template, "variables": {**template["variables"], "properties": properties}} if declared else template


def _with_default(schema: Any, value: Any) -> dict[str, Any]:
    """The schema with this default instead of the present one."""
    return {**schema, "default": value} if isinstance(schema, Mapping) else {"default": value}


def _without_default(schema: Any) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key != "default"} if isinstance(schema, Mapping) else {}


def _shown(record: WorkPool) -> Template:
    return dict(hide(of_pools([record]), record.base_job_template))


def _typed(visit: Visit, record: WorkPool) -> Template:
    """The template that was sent, as JSON or as new defaults of the present one. Raises `InvalidInput`."""
    if is_json(visit.form):
        return json_object(visit.sent("template"), "template")
    shown = _shown(record)
    form, _ = defaults_of(shown)
    return with_defaults(shown, coerced_variables({"variables": form.schema}, form.read(visit.form)))


def _preview(visit: Visit, record: WorkPool, template: Template) -> JobPreview | Sequence[Fault]:
    """The job that the new template gives for the trial variables, and the faults of these."""
    try:
        tried = json_object(visit.sent("try"), "try")
        made = visit.client.preview_job(pool=record.name, base_job_template=template, job_variables=tried)
    except InvalidInput as problem:
        return problem.faults
    secrets = of_pools([record, replace(record, base_job_template=template)]) | secret_texts(template, tried)
    return JobPreview(pool=made.pool, configuration=hide(secrets, made.configuration), warnings=made.warnings)


def _page(
    visit: Visit,
    record: WorkPool,
    typed: Template,
    faults: Sequence[Fault] = (),
    *,
    plan: PoolPlan | None = None,
    preview: JobPreview | Sequence[Fault] | None = None,
) -> Response:
    text, sent = as_text(typed), visit.form
    if faults and is_json(sent):
        text = only(sent, "template")
    form, values = defaults_of(_drawable(typed) or _shown(record))
    drawn = form.draw(values, [replace(fault, path=_variable(fault.path)) for fault in faults])
    drawn = as_sent(drawn, sent) if faults and not is_json(sent) else drawn
    tried = only(sent, "try") or "{}"
    job, wrong = (preview, ()) if isinstance(preview, JobPreview) else (None, preview or ())
    status = HTTPStatus.UNPROCESSABLE_ENTITY if faults else HTTPStatus.OK
    shown = {"text": text, "form": drawn, "tried": tried, "preview": job, "wrong": wrong, "back": back_of(visit)}
    return visit.render("template.html", status=status, pool=record, faults=faults, plan=plan, **shown)


def _drawable(typed: Template) -> Template | None:
    """The template, if its variables can be drawn as a form."""
    variables = typed.get("variables")
    is_schema = isinstance(variables, Mapping) and isinstance(variables.get("properties", {}), Mapping)
    return typed if is_schema else None


def _variable(path: str) -> str:
    """The variable to which a path in a template belongs."""
    steps = path.removeprefix("base_job_template.").split(".")
    return (
        ".".join([steps[2], *(step for step in steps[3:] if step != "default")])
        if steps[:2] == ["variables", "properties"]
        else path
    )
