"""`dispatcher deployment`: say once what is run where, and run it by its name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from dispatcher.cli import completion, inputs, shapes
from dispatcher.cli.command import Answer, Group
from dispatcher.cli.default_pool import pool_or_default
from dispatcher.cli.session import Session, pass_session
from dispatcher.errors import Fault, InvalidInput
from dispatcher.models import DEFAULT_QUEUE

Function = TypeVar("Function", bound=Callable[..., Any])


def variable_options(function: Function) -> Function:
    """`--job-variables` and `--job-variable`, as `dispatcher run create` has them."""
    whole = "A JSON object, or a file of one, or - for stdin."
    single = "A job variable, again for each; the value is read as JSON where it can be, otherwise as text."
    function = click.option("--job-variables", "source", metavar="FILE|JSON", help=whole)(function)
    return click.option("-jv", "--job-variable", "pairs", multiple=True, metavar="NAME=VALUE", help=single)(function)


@click.group(cls=Group)
def deployment() -> None:
    """Say once what is run where, and run it by its name."""


@deployment.command(
    "create", example="dispatcher deployment create etl --pool nightly --queue critical -jv 'command=echo hi' --tag finance"
)
@click.argument("name")
@click.option("-p", "--pool", metavar="POOL", shell_complete=completion.pools, help="Where its runs go, if not to the default.")
@click.option("-q", "--queue", default=DEFAULT_QUEUE, metavar="QUEUE", shell_complete=completion.queues, help="The work queue.")
@variable_options
@click.option("--tag", "tags", multiple=True, help="A tag of every run, again for each.")
@click.option("-d", "--description", default="", help="What it is for.")
@pass_session
def create(
    session: Session, /, name: str, *, pool: str | None, source: str | None, pairs: Sequence[str], **fields: Any
) -> Answer:
    """Create a deployment; its job variables lie over the pool's defaults and under those of a run."""
    owner, variables = pool_or_default(session, pool), inputs.job_variables(source, pairs)
    made = session.client.create_deployment(name, pool=owner, job_variables=variables, **fields)
    text = f"Created deployment {name!r} in {made.pool}/{made.queue}.\nTry: dispatcher deployment run {name}"
    return Answer(data=shapes.deployment(made), text=text)


@deployment.command("update", example="dispatcher deployment update etl --queue default -jv cpu=512")
@click.argument("name", shell_complete=completion.deployments)
@click.option("-q", "--queue", metavar="QUEUE", shell_complete=completion.queues, help="The work queue.")
@variable_options
@click.option("--tag", "tags", multiple=True, help="A tag, again for each; those given replace all that were.")
@click.option("-d", "--description", help="What it is for.")
@pass_session
def update(
    session: Session, /, name: str, *, source: str | None, pairs: Sequence[str], tags: Sequence[str], **fields: Any
) -> Answer:
    """Change what is given; --job-variables replaces all variables, and each --job-variable lies over what there is."""
    if source is None and pairs:
        fields["job_variables"] = {**session.client.deployment(name).job_variables, **inputs.job_variables(None, pairs)}
    elif source is not None:
        fields["job_variables"] = inputs.job_variables(source, pairs)
    changes = {name: value for name, value in {**fields, "tags": tags or None}.items() if value is not None}
    if not changes:
        raise InvalidInput("deployment", [Fault("options", "nothing to change was given; see --help")])
    return Answer(
        data=shapes.deployment(session.client.update_deployment(name, **changes)), text=f"Updated deployment {name!r}."
    )


@deployment.command("ls", example="dispatcher deployment ls --pool nightly")
@click.option("-p", "--pool", metavar="POOL", shell_complete=completion.pools, help="Only those of one work pool.")
@pass_session
def ls(session: Session, /, pool: str | None) -> Answer:
    """List deployments by name."""
    if pool is not None:
        session.client.work_pool(pool)  # a name that does not exist is an error, not an empty list
    return Answer(data=[shapes.deployment(found) for found in session.client.deployments(pool)], view="deployments")


@deployment.command("inspect", example="dispatcher deployment inspect etl")
@click.argument("name", shell_complete=completion.deployments)
@pass_session
def inspect(session: Session, /, name: str) -> Answer:
    """Show one deployment."""
    return Answer(data=shapes.deployment(session.client.deployment(name)), view="deployment")


@deployment.command("run", example="dispatcher deployment run etl -jv env.DAY=2026-01-31 --at 2026-02-01T08:00:00+00:00")
@click.argument("name", shell_complete=completion.deployments)
@variable_options
@click.option("-q", "--queue", metavar="QUEUE", shell_complete=completion.queues, help="Instead of the deployment's.")
@click.option("--run-name", help="A name for people; it need not be unique.")
@click.option("--at", "at", metavar="TIME", help="When it is due, as 2026-01-31T08:00:00+00:00; otherwise at once.")
@click.option("--tag", "tags", multiple=True, help="A tag instead of the deployment's, again for each.")
@click.option("--idempotency-key", metavar="KEY", help="A repeat with the same key gives the run of the first time.")
@pass_session
def run(
    session: Session,
    /,
    name: str,
    *,
    source: str | None,
    pairs: Sequence[str],
    run_name: str | None,
    at: str | None,
    **fields: Any,
) -> Answer:
    """Create a run of a deployment. It starts with a tick, when a slot is free and its turn has come."""
    variables = inputs.job_variables(source, pairs)
    made = session.client.create_run(
        deployment=name, name=run_name, job_variables=variables, scheduled_at=inputs.moment(at), **fields
    )
    return Answer(data=shapes.run(made), text=f"Created run {made.name} in {made.pool}/{made.queue}: {made.id}")


@deployment.command("delete", example="dispatcher deployment delete etl")
@click.argument("name", shell_complete=completion.deployments)
@pass_session
def delete(session: Session, /, name: str) -> Answer:
    """Delete a deployment. Its runs stay; one that waits crashes when its turn comes, so cancel those first."""
    session.client.delete_deployment(name)
    return Answer(data={"deleted": name}, text=f"Deleted deployment {name!r}.")
