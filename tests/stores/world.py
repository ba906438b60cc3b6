"""What random operations on a store are drawn from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from random import Random
from typing import Any
from uuid import UUID

from dispatcher.core.windows import WindowLimits
from dispatcher.models import (
    Attempt,
    CatchUp,
    Deployment,
    LogEntry,
    RetryPolicy,
    Run,
    RunState,
    Schedule,
    Share,
    WorkPool,
)
from dispatcher.models.lanes import lane_for
from dispatcher.models.records import (
    RunFilter,
)
from dispatcher.protocols import Store
from tests.builders import MINUTE, NOW, SECOND, a_deployment, a_run
from tests.stores.steps import SUBMISSION

POOLS = ("a", "b", "c")
QUEUES = ("default", "high", "low")
NAMES = ("one", "two", "three")

SCHEDULES: Mapping[str, Sequence[Schedule]] = {
    "two": [Schedule(slug="two", cron=cron, catch_up=CatchUp.LAST) for cron in ("*/2 * * * *", "*/2 * * * *", "*/4 * * * *")],
    "three": [
        Schedule(slug="three", interval=3 * MINUTE, anchor=NOW + SECOND, active=active, catch_up=CatchUp.ALL, catch_up_limit=2)
        for active in (True, True, False)
    ],
    "daily": [Schedule(slug="daily", rrule="FREQ=DAILY", timezone="Europe/Paris")],
}
"""By slug: what its schedule may be like."""
LIMITS = WindowLimits(ahead=5 * MINUTE, most=2, grace=MINUTE)
RETRIES = (None, None, RetryPolicy(attempts=3, delay=90 * SECOND, backoff=1.5, states=frozenset({RunState.FAILED})))
PAST = (Attempt(number=1, state=RunState.FAILED, reason="exit code 1", ended_at=NOW, submission=SUBMISSION, lingers=True),)

Call = Callable[[Store], Any]


class World:
    """What the next operation is drawn from."""

    def __init__(self, seed: int, oracle: Store, *, lanes: bool = True) -> None:
        self.random = Random(seed)
        self.lots = Random(f"{seed} lanes")
        """For what concerns lanes alone."""
        self.shares = Random(f"{seed} shares")
        """For what concerns shares alone."""
        self.lanes = lanes
        """Whether runs wait in lanes."""
        self.aside = Random(f"aside {seed}")
        """For what decides nothing that comes after."""
        self.oracle = oracle
        self.now = NOW
        self.remembered: list[Run] = []
        """Runs as they once were: what a slow invocation still believes."""
        self.deployments_once: list[Deployment] = []
        """Likewise deployments."""
        self.entries: list[LogEntry] = []
        """The last entries of the log that were drawn."""

    def time(self) -> datetime:
        """A time around now; often one that others have too."""
        return self.now + self.random.randrange(-3, 4) * MINUTE + self.random.choice([0, 0, 1]) * SECOND / 1_000_000

    def an_id(self) -> UUID:
        return UUID(int=self.random.getrandbits(128))

    def an_entry(self) -> LogEntry | None:
        """An entry of the log for the next change; sometimes one that is there already, sometimes none."""
        if self.random.random() < 0.4:
            return None
        name = self.random.choice([*POOLS, *NAMES])
        fields = ({"action": "change", "path": "env.Ä", "before": None, "after": [1, "x"]},) * self.random.randrange(2)
        who = {"actor": self.random.choice(["ada", "bob"]), "via": "cli", "verb": "change", "noun": "work pool"}
        fresh = LogEntry(id=self.an_id(), changed_at=self.now, name=name, fields=fields, **who)
        self.entries = [*self.entries[-4:], fresh]
        return self.random.choice(self.entries) if self.random.random() < 0.2 else fresh

    def entries_aside(self) -> tuple[LogEntry, ...]:
        """New entries of what an automation changes."""
        entry = {
            "changed_at": self.now,
            "actor": "one",
            "via": "automation",
            "verb": "change",
            "noun": "work pool",
            "name": "a",
        }
        return tuple(LogEntry(id=UUID(int=self.aside.getrandbits(128)), **entry) for _ in range(self.aside.choice([0, 1, 2])))

    def variables(self) -> dict[str, Any]:
        return self.random.choice([{}, {"env": {"B": "{{ x }}", "A": None}}, {"n": [1, 2.5, True, "ü"]}])

    def runs(self) -> list[Run]:
        """All runs, in an order that hangs on nothing but the seed."""
        return list(self.oracle.runs(RunFilter(), limit=10_000))

    def some_runs(self, most: int) -> list[Run]:
        """A few runs: as they are (mostly such that have not ended), as they once were, or unknown."""
        runs = self.runs() or [a_run("a", id=self.an_id())]
        if self.random.random() < 0.8:
            runs = [run for run in runs if not run.state.is_terminal] or runs
        pick = [self.random.choice(runs) for _ in range(self.random.randint(1, most))]
        if self.remembered and self.random.random() < 0.3:
            pick.append(self.random.choice(self.remembered))
        if self.random.random() < 0.1:
            pick.append(a_run("a", id=self.an_id()))
        self.remembered = (self.remembered + pick)[-50:]
        return pick

    def schedules(self) -> tuple[Schedule, ...]:
        slugs = self.random.sample(sorted(SCHEDULES), self.random.randrange(3))
        return tuple(self.random.choice(SCHEDULES[slug]) for slug in slugs)

    def priority(self) -> int:
        """Mostly none."""
        return self.lots.choice([0, 0, 0, -100, -5, 7]) if self.lanes else 0

    def share(self) -> Share:
        """How the deployments of a queue share it: mostly as ever."""
        return self.shares.choice([Share.STRICT, Share.STRICT, Share.FAIR]) if self.lanes else Share.STRICT

    def weight(self) -> int:
        """The weight of a deployment."""
        return self.shares.choice([1, 1, 2, 100]) if self.lanes else 1

    def lane(self, deployment: str | None, pool: WorkPool | None, queue: str) -> str | None:
        """The lane of a new run: of its deployment, if that has a limit or a share, or what a priority alone gives it."""
        stored = self.oracle.deployment(deployment) if deployment else None
        share = pool.share_in(queue) if pool else Share.STRICT
        return stored.lane_at(self.priority(), share) if stored else lane_for(None, self.priority())

    def a_deployment_of(self, name: str, pool: str) -> Deployment:
        """A deployment as it may be saved: anew, or mostly as it is stored with a few things changed."""
        fields = {
            "pool": pool,
            "queue": self.queue(),
            "job_variables": self.variables(),
            "parameters": self.variables(),
            "parameter_openapi_schema": {"properties": self.variables()},
            "tags": tuple(self.random.sample("xyz", 2)),
            "schedules": self.schedules(),
            "paused": self.random.random() < 0.1,
            "retry": self.random.choice(RETRIES),
        }
        lanes = {
            "concurrency_limit": self.lots.choice([None, None, 0, 2]) if self.lanes else None,
            "priority": self.priority(),
            "weight": self.weight(),
        }
        stored = self.oracle.deployment(name)
        if stored is None or self.random.random() < 0.3:
            return a_deployment(name, id=self.an_id(), **fields, **lanes, **self.ownership())
        changed = self.random.sample(sorted(fields), self.random.randrange(3))
        owned = self.ownership() if self.aside.random() < 0.5 else {}
        limited = lanes if self.lots.random() < 0.3 else {}
        return replace(stored, **{field: fields[field] for field in changed}, **limited, **owned)

    def ownership(self) -> dict[str, Any]:
        """Whose a noun is, and what was last applied to it."""
        return {"owner": self.aside.choice(["", "team-a", "ü"]), "applied": self.aside.choice([{}, {"paused": "12345678"}])}

    def pool(self) -> str:
        return self.random.choice(POOLS)

    def queue(self) -> str:
        return self.random.choice(QUEUES)

    def name(self) -> str:
        return self.random.choice(NAMES)

    def version_of(self, noun: Any) -> int | None:
        """Mostly the version that is stored; sometimes an older one, or none."""
        return self.random.choice([None, 1, *[noun.version if noun else None] * 4])
