"""`dispatcher run watch`: follow one run."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import click

from dispatcher.cli.command import Output
from dispatcher.cli.context import Context
from dispatcher.cli.output import secrets, shapes
from dispatcher.models import Run, RunState


def follow(context: Context, run_id: UUID, *, every: float, timeout: float | None) -> Output:
    """Print a line for each change until the run has ended, or the time is up."""
    clock, printed = context.wiring.dispatch.clock, ""
    stop = clock.now() + timedelta(seconds=timeout) if timeout is not None else None
    try:
        while True:
            run = context.client.run(run_id)
            printed = _print(context, run, printed)
            left = (stop - clock.now()).total_seconds() if stop else every
            if run.state.is_terminal or left <= 0:
                return _answer(run, timeout, secrets.of_runs(context, [run]))
            clock.sleep(min(every, left))
    except KeyboardInterrupt:
        click.echo("Stopped watching; the run goes on.", err=True)
        raise


def _print(context: Context, run: Run, printed: str) -> str:
    """Print a line if it differs from the last one, and return it."""
    words = context.client.explain(run.id).text if run.state is RunState.SCHEDULED else _words(run)
    line = f"{run.state:<10}  {words}".rstrip()
    if line != printed and not context.as_json:
        click.echo(f"{_local(_since(run) or context.client.clock.now())}  {line}")
    return line


def _words(run: Run) -> str:
    attempt = f"attempt {run.attempt}" if run.attempt > 1 else ""
    url = run.url if run.state is RunState.RUNNING else None
    return "; ".join(word for word in (run.reason, attempt, url) if word)


def _since(run: Run) -> datetime | None:
    """When the state began, or None if the run does not record it."""
    if run.state.is_terminal:
        return run.ended_at
    return {RunState.PENDING: run.claimed_at, RunState.RUNNING: run.started_at}.get(run.state)


def _local(moment: datetime) -> str:
    return moment.astimezone().strftime("%H:%M:%S")


def _answer(run: Run, timeout: float | None, secret_texts: frozenset[str]) -> Output:
    if not run.state.is_terminal:
        words = f"run {run.name!r} is still {run.state} after {timeout:g} s; it goes on"
    elif run.state is not RunState.COMPLETED:
        words = f"run {run.name!r} ended as {run.state}" + (f": {run.reason}" if run.reason else "")
    else:
        words = ""
    then = "logs" if run.state.is_terminal else "explain"
    text = f"Run {run.name!r} has completed." if not words else f"Try: dispatcher run {then} {run.id}"
    return Output(data=shapes.whole_run(run), text=text, secrets=secret_texts, faults=(words,) if words else ())
