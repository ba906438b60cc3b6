"""Five simulated clouds, one for each way in which a real one remembers a submission.

    TOKEN    ECS                  a token with a life (24 h, or an hour after the end), a conflict when the parameters changed;
                                  look-ups lag behind; a stopped job is forgotten after an hour
    OBJECT   Cloud Run            a name that is taken for as long as the job object exists; ended objects linger
    GROUP    Container Instances  a name whose re-use starts the job again once it has ended; ended groups linger
    RUNNING  Modal                a name that is free again as soon as its job has ended; ended jobs are remembered for a day
    LABEL    Vertex AI            nothing: each create starts a job; a look-up by label lags behind, so the claim alone protects

Each is a `Provider`; what a cloud does takes effect in `Cloud`, which knows every job that was ever started.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from random import Random
from typing import Any

from providers.base import (
    Accepted,
    CallFailed,
    Job,
    JobState,
    Needs,
    Observation,
    Outcome,
    ProviderLimits,
    Rate,
    Submission,
    Unreachable,
)

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
LOOKUP_LAG = 20.0
CALL_TIMEOUT = 10.0


class Kind(StrEnum):
    """How a cloud remembers."""

    TOKEN = "token"
    OBJECT = "object"
    GROUP = "group"
    RUNNING = "running"
    LABEL = "label"


DRAWN = (Kind.TOKEN, Kind.OBJECT, Kind.GROUP, Kind.RUNNING)
"""The kinds from which a seed draws; LABEL has seeds of its own."""


LIMITS = {
    Kind.TOKEN: ProviderLimits(lookup_lag=LOOKUP_LAG, memory=3600),
    Kind.OBJECT: ProviderLimits(lingers=True),
    Kind.GROUP: ProviderLimits(lingers=True),
    Kind.RUNNING: ProviderLimits(memory=86400),
    Kind.LABEL: ProviderLimits(lookup_lag=LOOKUP_LAG),
}


LAGGING = frozenset({Kind.TOKEN, Kind.LABEL})
"""Kinds whose look-ups are behind."""


@cache
def limits_of(kind: Kind) -> ProviderLimits:
    """The limits a cloud of this kind states; calls are made in the tick's own thread, so that the baton sees them."""
    base = LIMITS[kind]
    return ProviderLimits(
        concurrency=1,
        submit_rates=(Rate(burst=6, per_second=2.0),),
        call_timeout=CALL_TIMEOUT,
        lookup_lag=base.lookup_lag,
        memory=base.memory,
        lingers=base.lingers,
        start_deadline=120.0,
        observe_batch=5,
    )


HUGE, GPU = 8, 4
"""Sizes of a scarce dimension: more than a cloud ever gives to one job, and as much as two jobs may have in one place."""


def needs_of(configuration: Mapping[str, Any]) -> Needs:
    """The needs of a job with this configuration."""
    return Needs(place=(str(configuration.get("place", "")),), size={"gpu": float(configuration.get("gpu", 0))})


@dataclass
class CloudJob:
    """One started job, and the course that chance has drawn for it."""

    name: str
    body: Mapping[str, Any]
    number: int
    created_at: datetime
    visible_at: datetime
    runs_at: datetime
    ends_at: datetime
    exit_code: int
    stopped: bool = False

    def __str__(self) -> str:
        return f"job {self.number}, runs {self.runs_at:%d %H:%M:%S}, ends {self.ends_at:%d %H:%M:%S} with {self.exit_code}"

    def state(self, now: datetime) -> JobState:
        """Its state."""
        if now >= self.ends_at:
            return JobState.STOPPED if self.stopped else JobState.FAILED if self.exit_code else JobState.SUCCEEDED
        return JobState.RUNNING if now >= self.runs_at else JobState.STARTING

    def live(self, now: datetime) -> bool:
        """Whether it holds resources."""
        return now < self.ends_at


@dataclass
class Cloud:
    """Every job ever started in one cloud."""

    kind: Kind
    random: Random
    now: Callable[[], datetime]
    on_start: Callable[[CloudJob], None]
    jobs: list[CloudJob] = field(default_factory=list)
    objects: dict[str, CloudJob] = field(default_factory=dict)
    """By name: the newest job of that name, until it is discarded."""
    tokens: dict[str, CloudJob] = field(default_factory=dict)
    """By token, for TOKEN alone."""

    def create(self, name: str, token: str, body: Mapping[str, Any]) -> CloudJob:
        """The effect of a create call that has reached the cloud; returns the job that it started or found."""
        existing = self.tokens.get(token) if self.kind is Kind.TOKEN else self.objects.get(name)
        if existing is not None and self.kind is not Kind.LABEL and self._holds_name(existing):
            return existing
        self.tokens[token] = self._start(name, body)
        return self.tokens[token]

    def look_up(self, name: str) -> CloudJob | None:
        """The job that a look-up by name finds."""
        job = self.objects.get(name)
        now = self.now()
        if job is None or now < job.visible_at:
            return None
        kept = {Kind.TOKEN: HOUR, Kind.RUNNING: DAY}.get(self.kind)
        return None if kept is not None and now > job.ends_at + kept else job

    def stop(self, name: str) -> None:
        """The effect of a stop call."""
        job, now = self.objects.get(name), self.now()
        if job is not None and job.live(now):
            job.ends_at, job.stopped = now, True

    def is_out_of_gpus(self, place: tuple[str, ...]) -> bool:
        """Whether two living jobs in a place use the scarce dimension."""
        live_needs = [needs_of(job.body["configuration"]) for job in self.live()]
        return sum(need.place == place and need.size["gpu"] == GPU for need in live_needs) >= 2

    def discard(self, names: Sequence[str]) -> frozenset[str]:
        """The effect of delete calls: the names are free again."""
        for name in names:
            self.objects.pop(name, None)
        return frozenset(names)

    def live(self) -> list[CloudJob]:
        """The jobs that have not ended."""
        now = self.now()
        return [job for job in self.jobs if job.live(now)]

    def _holds_name(self, job: CloudJob) -> bool:
        now = self.now()
        match self.kind:
            case Kind.TOKEN:
                return now < min(job.created_at + DAY, job.ends_at + HOUR)
            case Kind.OBJECT:
                return True
            case _:
                return job.live(now)

    def _start(self, name: str, body: Mapping[str, Any]) -> CloudJob:
        now = self.now()
        lag = self.random.choice([0.0, self.random.uniform(0, LOOKUP_LAG), LOOKUP_LAG]) if self.kind in LAGGING else 0.0
        start = self.random.choice([0.1, 1, 5, 30, 200])
        runs_at = now + timedelta(seconds=self.random.uniform(0, start))
        job = CloudJob(
            name=name,
            body=body,
            number=len(self.jobs),
            created_at=now,
            visible_at=now + timedelta(seconds=lag),
            runs_at=runs_at,
            ends_at=runs_at + timedelta(seconds=self.random.expovariate(1 / self.random.choice([1, 5, 20, 60, 400]))),
            exit_code=self.random.choice([0, 0, 0, 1]),
        )
        self.jobs.append(job)
        self.objects[name] = job
        self.on_start(job)
        return job


@dataclass
class SimulatedProvider:
    """The provider of one cloud. `request` is how a call travels: it pauses, loses, delays or repeats (see `faults`)."""

    cloud: Cloud
    request: Callable[..., Any]

    @property
    def limits(self) -> ProviderLimits:
        """The cloud's limits."""
        return limits_of(self.cloud.kind)

    def needs(self, configuration: Mapping[str, Any]) -> Needs:
        """Where the job goes, and how much it takes there; no call."""
        return needs_of(configuration)

    def submit(self, job: Job) -> Outcome:
        """One create; for GROUP and LABEL, as their providers do, after a look."""
        if self.cloud.kind in (Kind.GROUP, Kind.LABEL):
            try:
                existing = self.find(job)
            except CallFailed as problem:
                return Unreachable(cause=str(problem))
            if existing is not None:
                return Accepted(submission=existing)
        body = {"configuration": job.configuration, "environment": job.environment}
        return self.request("submit", job.name, lambda: self.cloud.create(job.name, self.token(job), body), body)

    def token(self, job: Job) -> str:
        """The token, which makes a repeat of a submission harmless: the name."""
        return job.name

    def find(self, job: Job) -> Submission | None:
        """A look-up by name."""
        existing = self.request("find", job.name, lambda: self.cloud.look_up(job.name))
        return submission_of(existing) if existing is not None else None

    def observe(self, submissions: Sequence[Submission]) -> Mapping[str, Observation]:
        """One call for all."""
        names = [submission.name for submission in submissions]
        return self.request("observe", " ".join(names), lambda: {name: self._observed(name) for name in names})

    def cancel(self, submission: Submission) -> None:
        """One stop call."""
        self.request("cancel", submission.name, lambda: self.cloud.stop(submission.name))

    def discard(self, submissions: Sequence[Submission]) -> frozenset[str]:
        """One delete for each."""
        names = [submission.name for submission in submissions]
        return self.request("discard", " ".join(names), lambda: self.cloud.discard(names))

    def sweep(self, configuration: Mapping[str, Any], keep: frozenset[str]) -> tuple[str, ...]:
        """No job: in the simulation, the store knows all of them."""
        return ()

    def strays(self, configuration: Mapping[str, Any], known_names: frozenset[str]) -> tuple[str, ...]:
        """Likewise."""
        return ()

    def _observed(self, name: str) -> Observation:
        job, now = self.cloud.look_up(name), self.cloud.now()
        if job is None:
            return Observation(state=JobState.MISSING)
        state = job.state(now)
        ended = state.is_end
        return Observation(
            state=state,
            exit_code=job.exit_code if ended and not job.stopped else None,
            started_at=job.runs_at if now >= job.runs_at else None,
            ended_at=job.ends_at if ended else None,
        )


def submission_of(job: CloudJob) -> Submission:
    """The submission of a job."""
    return Submission(name=job.name, handle={"number": str(job.number)})
