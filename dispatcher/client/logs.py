"""Which job of a run has the logs, and what its provider has of them."""

from __future__ import annotations

from dispatcher.errors import Fault, InvalidInput
from dispatcher.models import Run
from providers.base import Provider, ReadsLogs, Submission

JobOf = tuple[int, Submission]
"""An attempt's number, and its submission."""


def job_of(run: Run, attempt: int | None) -> JobOf | None:
    """The job of the named attempt; otherwise of the last attempt that has a job, also while the next one waits.

    Raises `InvalidInput` for an attempt that has no job.
    """
    jobs = [(attempt.number, attempt.submission) for attempt in run.past if attempt.submission is not None]
    jobs += [(run.attempt, run.submission)] if run.submission is not None else []
    if attempt is None:
        return jobs[-1] if jobs else None
    job = next((job for job in jobs if job[0] == attempt), None)
    if job is None and attempt != run.attempt:
        numbers = ", ".join(str(number) for number, _ in jobs) or "none"
        words = f"run {run.name!r} has no job of attempt {attempt}; those with one: {numbers}"
        raise InvalidInput("run", [Fault("attempt", words)])
    return job


def log_text(provider: Provider, submission: Submission, tail: int) -> str | None:
    """The last lines of a job's logs; None if its provider keeps none that can be read. Raises `ProviderError`."""
    return provider.logs(submission, tail=tail) if isinstance(provider, ReadsLogs) else None
