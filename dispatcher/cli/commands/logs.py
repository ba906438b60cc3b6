"""`dispatcher run logs`: the logs of an attempt's job, once or continuously."""

from __future__ import annotations

from collections.abc import Sequence

import click

from dispatcher.cli.command import Output
from dispatcher.cli.context import Context
from dispatcher.cli.output import shapes
from dispatcher.client.logs import JobOf, job_of, log_text
from dispatcher.errors import Conflict
from dispatcher.models import Run


def logs(context: Context, run: Run, *, attempt: int | None, tail: int) -> Output:
    """The logs so far. Raises `Conflict` if there are none, and `InvalidInput` for an unknown attempt."""
    job = job_of(run, attempt)
    if job is None:
        raise Conflict(f"run {run.name!r} has no job yet, so it has no logs: {context.client.explain(run.id).text}")
    text, url = _text(context, run, job, tail), job[1].url
    if text is None and url is None:
        raise Conflict(f"the provider of run {run.name!r} keeps no logs that can be shown here, and gave no address of them")
    words = f"Its logs are at {url}" if text is None else text.removesuffix("\n")
    return Output(data=_shape(run, job[0], text, url), text=words)


def follow(context: Context, run: Run, *, attempt: int | None, tail: int, every: float) -> Output | None:
    """Print new lines until the run, or the named attempt, has ended; attempts follow one another."""
    seen: list[str] = []
    last: JobOf | None = None
    clock = context.wiring.dispatch.clock
    while True:
        run = context.client.run(run.id)
        over, job = _is_over(run, attempt), job_of(run, attempt)
        if job is not None:
            if last is not None and job[0] != last[0]:
                _print_new(context, run, last, seen, tail)  # the last lines of the job
            if last is None or job[0] != last[0]:
                _announce(context, run, job[0], first=last is None)
                seen = []
            last, seen = job, _print_new(context, run, job, seen, tail)
        if over:
            break
        clock.sleep(every)
    if job is None:
        raise Conflict(f"run {run.name!r} has no job yet, so it has no logs: {context.client.explain(run.id).text}")
    data = _shape(run, job[0], "".join(f"{line}\n" for line in seen), job[1].url)
    return Output(data=data) if context.as_json else None


def _print_new(context: Context, run: Run, job: JobOf, seen: list[str], tail: int) -> list[str]:
    """Print the new lines; returns all lines."""
    text = _text(context, run, job, tail)
    if text is None:
        raise Conflict(
            f"the provider of run {run.name!r} keeps no logs that can be followed; see {job[1].url or 'its console'}"
        )
    lines = text.splitlines()
    if not context.as_json:
        for line in new_lines(seen, lines):
            click.echo(line)
    return lines


def new_lines(before: Sequence[str], after: Sequence[str]) -> Sequence[str]:
    """The new lines of a growing text. Both arguments are its last lines, so `after` begins with the end of `before`."""
    start = next(start for start in range(len(before) + 1) if after[: len(before) - start] == before[start:])
    return after[len(before) - start :]


def _announce(context: Context, run: Run, number: int, *, first: bool) -> None:
    if not context.as_json and (number > 1 or not first):
        click.echo(f"Attempt {number} of run {run.name!r}:", err=True)


def _is_over(run: Run, attempt: int | None) -> bool:
    return run.state.is_terminal or (attempt is not None and any(past.number == attempt for past in run.past))


def _text(context: Context, run: Run, job: JobOf, tail: int) -> str | None:
    """The logs from the provider of the run's pool; None if the provider has none."""
    pool = context.client.work_pool(run.pool)
    return log_text(context.wiring.dispatch.providers(pool.type), job[1], tail)


def _shape(run: Run, attempt: int, text: str | None, url: str | None) -> shapes.Shape:
    return {"id": str(run.id), "name": run.name, "attempt": attempt, "logs": text, "url": url}
