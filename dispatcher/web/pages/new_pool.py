"""A new work pool: its type, its limits, and the defaults of its template as a form."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

from starlette.responses import Response

from dispatcher.client import default_base_job_template
from dispatcher.errors import AlreadyExists, Fault, InvalidInput
from dispatcher.web.pages.pool_template import defaults_of
from dispatcher.web.pages.pools import limit_in
from dispatcher.web.pages.variables import EditedVariables
from dispatcher.web.pages.visit import Visit, gone_to
from providers import registry

FIELDS = ("name", "type", "limit", "description")


def new(visit: Visit) -> Response:
    """The form of a new pool."""
    return _form(visit, {name: visit.query(name) for name in FIELDS})


def create(visit: Visit) -> Response:
    """Create the pool, or show the faults beside the typed values."""
    fields = {name: visit.sent(name) for name in FIELDS}
    try:
        visit.client.create_work_pool(
            fields["name"],
            type=fields["type"],
            job_variables=_variables(fields["type"]).read(visit.form),
            concurrency_limit=limit_in(fields["limit"]),
            description=fields["description"],
        )
    except InvalidInput as problem:
        return _form(visit, fields, problem.faults)
    except AlreadyExists as problem:
        return _form(visit, fields, [Fault("name", str(problem))])
    return gone_to("pools", fields["name"])


def _variables(kind: str) -> EditedVariables:
    form, values = defaults_of(default_base_job_template(kind))
    return EditedVariables(form=form, stored=values)


def _form(visit: Visit, fields: dict[str, str], faults: Sequence[Fault] = ()) -> Response:
    status = HTTPStatus.UNPROCESSABLE_ENTITY if faults else HTTPStatus.OK
    kinds = registry.types()
    drawn = (
        _variables(fields["type"]).drawn(visit.form or None, faults) if fields["type"] in kinds else {"form": None, "json": ""}
    )
    types = [(name, registry.provider_type(name).description) for name in kinds]
    return visit.render("new_pool.html", status=status, fields=fields, faults=faults, types=types, **drawn)
