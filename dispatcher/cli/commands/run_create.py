"""`dispatcher run create`: one run, many alike runs, or the runs of a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import click

from dispatcher.cli.command import Command, Output
from dispatcher.cli.context import Context, pass_context
from dispatcher.cli.input import completion, values
from dispatcher.cli.input.default_pool import pool_or_default
from dispatcher.cli.input.deployment_options import (
    KEY_HELP,
    expiry_option,
    expiry_taken,
    priority_options,
    retry_options,
    retry_taken,
    variable_options,
)
from dispatcher.cli.input.moments import AT_HELP, time_of
from dispatcher.cli.input.parameter_options import parameter_options, parameters_taken
from dispatcher.cli.input.run_requests import RequestEntry, read_requests, refusal_of
from dispatcher.cli.output import shapes
from dispatcher.cli.output.progress import progress_bar
from dispatcher.client.runs import MAX_RUNS_AT_ONCE
from dispatcher.core.names import with_end
from dispatcher.errors import DispatcherError, Fault, InvalidInput
from dispatcher.models import Run, RunRequest

FROM_HELP = (
    "Requests as JSON lines, - for standard input: each an object with the keys pool, deployment, queue, job_variables, "
    "parameters, name, scheduled_at, tags, idempotency_key, retry, expires_after, priority and front. The options stand for "
    "keys that a line does not have."
)


@click.command(
    "create",
    cls=Command,
    example="dispatcher run create --pool nightly --queue critical -jv 'command=echo hi' -jv env.STAGE=test\n"
    "dispatcher run create --pool nightly --from requests.jsonl",
)
@click.option(
    "-p",
    "--pool",
    metavar="POOL",
    shell_complete=completion.pools,
    help="The work pool of the run; otherwise the default one.",
)
@click.option("-d", "--deployment", metavar="NAME", shell_complete=completion.deployments, help="The deployment to run.")
@click.option(
    "-q",
    "--queue",
    metavar="QUEUE",
    shell_complete=completion.queues,
    help="The work queue; otherwise that of the deployment, or default.",
)
@variable_options
@parameter_options
@click.option("--name", help="A name for people; it need not be unique.")
@click.option("--at", "at", metavar="TIME", help=AT_HELP)
@click.option("--tag", "tags", multiple=True, help="A tag; repeat it for more.")
@click.option("--count", type=click.IntRange(min=1), help="How many runs to create; each name and key gets a number.")
@click.option("--from", "requests", metavar="FILE", help=FROM_HELP)
@click.option("--idempotency-key", "key", metavar="KEY", help=KEY_HELP)
@retry_options
@expiry_option
@priority_options
@pass_context
def create(context: Context, /, *, pairs: Sequence[str], source: str | None, requests: str | None, **options: Any) -> Output:
    """Create one run, many alike, or those of a file. Each starts in a tick, when a slot is free and its turn has come.

    Up to 10000 runs are created together or not at all; more are created in parts of that size.
    """
    at, count, key, name = (options.pop(option) for option in ("at", "count", "key", "name"))
    deployment = options["deployment"]
    options["retry"] = retry_taken(options, lambda: context.client.deployment(deployment).retry if deployment else None)
    options["expires_after"] = expiry_taken(options)
    options |= {"job_variables": values.job_variables(source, pairs), "scheduled_at": time_of(context, at)}
    options["parameters"] = parameters_taken(options)
    if requests is not None:
        _check_alone({"--count": count, "--name": name, "--idempotency-key": key})
        entries = _of_file(context, requests, options)
    else:
        if deployment is None:
            options["pool"] = pool_or_default(context, options["pool"])
        entries = _alike(RunRequest(**options, name=name, idempotency_key=key), count or 1)
    return Output(data=[shapes.run(run) for run in _created(context, entries)], view="created")


def _check_alone(options: Mapping[str, Any]) -> None:
    for option, value in options.items():
        if value is not None:
            fault = Fault("options", f"{option} does not go with --from; give names and keys in the lines")
            raise InvalidInput("request", [fault])


def _of_file(context: Context, source: str, options: Mapping[str, Any]) -> Sequence[RequestEntry]:
    """The requests of a file. A line without a pool or a deployment goes to the options' pool, or the default."""
    common, pool = {name: value for name, value in options.items() if value not in (None, {}, ())}, options["pool"]
    entries = read_requests(source, {name: value for name, value in common.items() if name != "pool"})
    if any(_is_homeless(entry) for entry in entries):
        pool = pool_or_default(context, pool)
    return [replace(entry, request=replace(entry.request, pool=pool)) if _is_homeless(entry) else entry for entry in entries]


def _is_homeless(entry: RequestEntry) -> bool:
    return entry.request.pool is None and entry.request.deployment is None


def _alike(request: RunRequest, count: int) -> Sequence[RequestEntry]:
    """The same request `count` times, with numbered names and keys; a single request keeps its own."""
    if count == 1:
        return [RequestEntry(request=request)]
    return [RequestEntry(request=_numbered(request, f"-{number}")) for number in range(1, count + 1)]


def _numbered(request: RunRequest, end: str) -> RunRequest:
    name, key = request.name, request.idempotency_key
    if name is None and key is None:
        return request
    return replace(request, name=name and with_end(name, end), idempotency_key=key and key + end)


def _created(context: Context, entries: Sequence[RequestEntry]) -> Sequence[Run]:
    """Create the runs in as few parts as possible. Raises the first refusal with its position."""
    runs: list[Run] = []
    with progress_bar(context, "Creating runs", len(entries)) as step:
        for start in range(0, len(entries), MAX_RUNS_AT_ONCE):
            part = _Part(entries[start : start + MAX_RUNS_AT_ONCE], step)
            try:
                runs += context.client.create_runs(part)
            except DispatcherError as problem:
                raise refusal_of(problem, part.current, len(runs)) from None
    return runs


class _Part:
    """Requests that are created together. It remembers which request is being read."""

    def __init__(self, entries: Sequence[RequestEntry], step: Callable[[], None]) -> None:
        self._entries, self._step = entries, step
        self.current: RequestEntry | None = None

    def __iter__(self) -> Iterator[RunRequest]:
        for entry in self._entries:
            self.current = entry
            yield entry.request
            self._step()
        self.current = None
