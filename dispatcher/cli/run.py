"""`dispatcher run`: create, list, explain, cancel and repeat runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import click

from dispatcher.cli import completion, inputs, secrets, shapes
from dispatcher.cli.command import Answer, Group
from dispatcher.cli.default_pool import pool_or_default
from dispatcher.cli.deployment_options import retry_options, retry_taken, variable_options
from dispatcher.cli.session import Session, pass_session
from dispatcher.cli.watch import follow
from dispatcher.errors import Conflict, Fault, InvalidInput, NotFound
from dispatcher.models import Run, RunState
from providers.base import Submission

SHORTEST, RECENT = 4, 1000
"""The least that may be given of an id, and how many runs are looked through for it."""

STATES = click.Choice(list(RunState), case_sensitive=False)


@click.group(cls=Group)
def run() -> None:
    """Create, list, explain, cancel and repeat runs."""


@run.command("create", example="dispatcher run create --pool nightly --queue critical -jv 'command=echo hi' -jv env.STAGE=test")
@click.option(
    "-p",
    "--pool",
    metavar="POOL",
    shell_complete=completion.pools,
    help="Where it runs; else the default.",
)
@click.option("-d", "--deployment", metavar="NAME", shell_complete=completion.deployments, help="What it is a run of.")
@click.option(
    "-q",
    "--queue",
    metavar="QUEUE",
    shell_complete=completion.queues,
    help="The work queue; otherwise the deployment's, or default.",
)
@variable_options
@click.option("--name", help="A name for people; it need not be unique.")
@click.option("--at", "at", metavar="TIME", help="When it is due, as 2026-01-31T08:00:00+00:00; otherwise at once.")
@click.option("--tag", "tags", multiple=True, help="A tag, again for each.")
@click.option("--count", type=click.IntRange(min=1), default=1, help="How many of the same; names and keys get a number each.")
@click.option("--idempotency-key", "key", metavar="KEY", help="A repeat with the same key gives the run of the first time.")
@retry_options
@pass_session
def create(
    session: Session, /, *, pairs: Sequence[str], source: str | None, at: str | None, count: int, **request: Any
) -> Answer:
    """Create one run, or several alike: all or none. They start with a tick, when a slot is free and their turn has come."""
    key, deployment = request.pop("key"), request["deployment"]
    request["retry"] = retry_taken(request, lambda: session.client.deployment(deployment).retry if deployment else None)
    if deployment is None:
        request["pool"] = pool_or_default(session, request["pool"])
    request |= {"job_variables": inputs.job_variables(source, pairs), "scheduled_at": inputs.moment(at)}
    requests = [{**request, **_numbered(request["name"], key, number, count)} for number in range(count)]
    runs = session.client.create_runs(requests)
    return Answer(data=[shapes.run(created) for created in runs], view="created")


@run.command("ls", example="dispatcher run ls --pool nightly --state RUNNING --limit 20")
@click.option("-p", "--pool", metavar="POOL", shell_complete=completion.pools, help="Only those of one work pool.")
@click.option(
    "-q", "--queue", metavar="QUEUE", shell_complete=completion.queues, help="Only those of work queues of this name."
)
@click.option("-d", "--deployment", metavar="NAME", shell_complete=completion.deployments, help="Only those of one deployment.")
@click.option("-s", "--state", "states", multiple=True, type=STATES, help="Only in this state; again for more.")
@click.option("-l", "--limit", type=int, default=50, show_default=True, help="How many, the newest first.")
@pass_session
def ls(session: Session, /, *, states: Sequence[RunState], limit: int, pool: str | None, **where: Any) -> Answer:
    """List runs, the newest first."""
    if pool is not None:
        session.client.work_pool(pool)  # a name that does not exist is an error, not an empty list
    runs = session.client.runs(pool=pool, **where, states=states or None, limit=limit)
    return Answer(data=[shapes.run(found) for found in runs], view="runs")


@run.command("inspect", example="dispatcher run inspect 6e0c3f0a-53fd-4cf1-8e6e-9b3f57a3a7a5")
@click.argument("run_id", metavar="ID", shell_complete=completion.runs)
@secrets.show_option
@pass_session
def inspect(session: Session, /, run_id: str) -> Answer:
    """Show one run: what was asked for, its way so far through all attempts with the waits between, and where it is."""
    found = _find(session, run_id)
    return Answer(data=shapes.whole_run(found), view="run", secrets=secrets.of_runs(session, [found]))


@run.command("cancel", example="dispatcher run cancel 6e0c3f0a-53fd-4cf1-8e6e-9b3f57a3a7a5")
@click.argument("run_id", metavar="ID", shell_complete=completion.runs)
@pass_session
def cancel(session: Session, /, run_id: str) -> Answer:
    """Cancel a run: at once while it waits, otherwise the next tick stops its job."""
    found = session.client.cancel_run(_find(session, run_id).id)
    texts = {
        RunState.CANCELLED: f"Cancelled run {found.name!r}.",
        RunState.CANCELLING: f"Run {found.name!r} is being cancelled: the next tick stops its job.",
    }
    return Answer(data=shapes.run(found), text=texts.get(found.state, f"Run {found.name!r} has ended already: {found.state}."))


@run.command("retry", example="dispatcher run retry 6e0c3f0a-53fd-4cf1-8e6e-9b3f57a3a7a5")
@click.argument("run_id", metavar="ID", shell_complete=completion.runs)
@pass_session
def retry(session: Session, /, run_id: str) -> Answer:
    """Run again what has ended: by a new run of the same place, variables, tags and retries, due at once.

    An ended run never moves, so the new one has an id of its own. Asked again, it is the same one; to go on from there, retry
    that. Retries that come by themselves (--retries) are attempts of one run.
    """
    old = _find(session, run_id)
    made = session.client.retry_run(old.id)
    return Answer(data=shapes.run(made), text=f"Run {old.name!r} is run again as {made.name}, {made.state}: {made.id}")


@run.command("explain", example="dispatcher run explain 6e0c3f0a-53fd-4cf1-8e6e-9b3f57a3a7a5")
@click.argument("run_id", metavar="ID", shell_complete=completion.runs)
@pass_session
def explain(session: Session, /, run_id: str) -> Answer:
    """Say why a run is not running: the one reason that counts, who holds the slots, and what would change it."""
    found = _find(session, run_id)
    return Answer(data=shapes.explanation(found, session.client.explain(found.id)), view="explanation")


@run.command("watch", example="dispatcher run watch 6e0c3f0a-53fd-4cf1-8e6e-9b3f57a3a7a5 --timeout 3600")
@click.argument("run_id", metavar="ID", shell_complete=completion.runs)
@click.option("--every", type=click.FloatRange(0.1, 3600), default=2.0, show_default=True, metavar="SECONDS", help="The pause.")
@click.option("--timeout", type=click.FloatRange(min=0), metavar="SECONDS", help="Stop watching then; the run goes on.")
@pass_session
def watch(session: Session, /, run_id: str, every: float, timeout: float | None) -> Answer:
    """Follow one run until its end: a line for each state, and while it waits for each reason why.

    Exits with 0 when the run completes, and with 1 when it ends otherwise or the time is up. Ctrl-C stops the watching alone.
    """
    return follow(session, _find(session, run_id).id, every=every, timeout=timeout)


@run.command("logs", example="dispatcher run logs 6e0c3f0a-53fd-4cf1-8e6e-9b3f57a3a7a5")
@click.argument("run_id", metavar="ID", shell_complete=completion.runs)
@click.option("--tail", type=click.IntRange(min=1), default=100, show_default=True, metavar="N", help="Only the last N lines.")
@pass_session
def logs(session: Session, /, run_id: str, tail: int) -> Answer:
    """Show what a run's job wrote, where its provider keeps that; otherwise where to look."""
    found = _find(session, run_id)
    if found.submission is None:
        raise Conflict(f"run {found.name!r} has no job to have logs of: {session.client.explain(found.id).text}")
    text, url = _logs(session, found, found.submission, tail), found.submission.get("url")
    if text is None and url is None:
        raise Conflict(f"the provider of run {found.name!r} keeps no logs that can be shown here, and gave no page to look at")
    data = {"id": str(found.id), "name": found.name, "logs": text, "url": url}
    return Answer(data=data, text=f"Its logs are at {url}" if text is None else text.removesuffix("\n"))


def _find(session: Session, reference: str) -> Run:
    """The run of an id, or of the beginning of one or a name as `run ls` shows them. Raises `NotFound` or `InvalidInput`."""
    with suppress(InvalidInput):  # it is no whole id
        return session.client.run(reference)
    recent = session.client.runs(limit=RECENT)
    found = [run for run in recent if run.name == reference] or [run for run in recent if _begins(run, reference)]
    if len(found) == 1:
        return found[0]
    if not found:
        words = (
            f"run {reference!r} does not exist among the latest {RECENT}; `dispatcher run ls` lists them, a whole id finds any"
        )
        raise NotFound(words)
    ids = ", ".join(str(run.id) for run in found[:3])
    raise InvalidInput("run", [Fault("id", f"{reference!r} may be any of {len(found)} runs, as {ids}; give the whole id")])


def _begins(run: Run, reference: str) -> bool:
    return len(reference) >= SHORTEST and str(run.id).startswith(reference.lower())


def _logs(session: Session, found: Run, submission: Mapping[str, Any], tail: int) -> str | None:
    """The logs that the provider of the run's pool has; None where it offers none."""
    pool = session.client.work_pool(found.pool)
    read = getattr(session.wiring.dispatch.providers(pool.type), "logs", None)
    return None if read is None else read(Submission(**submission), tail=tail)


def _numbered(name: str | None, key: str | None, number: int, count: int) -> dict[str, str | None]:
    """The name and the key of one of `count` runs; alone it keeps what was given."""
    if count == 1:
        return {"name": name, "idempotency_key": key}
    end = f"-{number + 1}"
    return {"name": name and name + end, "idempotency_key": key and key + end}
