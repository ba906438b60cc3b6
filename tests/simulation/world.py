"""One seeded world: pools, clouds, bad weather, time, and the invocations that overlap in it. What happens is in `life`."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from dispatcher.core.windows import WindowLimits
from dispatcher.errors import StoreError
from dispatcher.models import Share, WorkPool, WorkQueue
from dispatcher.protocols import Store
from dispatcher.ticking import Dispatch, TickLimits, tick
from providers.base import Provider
from tests.simulation.baton import Invocation
from tests.simulation.checks import GRACE, HISTORY, Checks, Violation
from tests.simulation.cloud import CALL_TIMEOUT, Cloud, CloudJob, Kind, SimulatedProvider, limits_of
from tests.simulation.elsewhere import MIRROR, Elsewhere, SimulatedSource
from tests.simulation.faults import Chances, FaultyStore, Pausing, Weather, Wire
from tests.simulation.marks import Journal, Witness
from tests.simulation.stores import Views

BEGINNING = datetime(2030, 1, 1, tzinfo=UTC)
TICK = timedelta(seconds=20)
SKEW = 12.0
LEASE = timedelta(seconds=45)
"""Longer than a tick, one call and the skew between two clocks together."""
BOUNDED = ("submit", "find")
"""Calls that end within their timeout even here. At every other point a process may be frozen for as long as it likes: only
between the look at the deadline and the call itself nothing can protect from that."""


@dataclass
class SimulatedClock:
    """The clock of one invocation: the world's time with a skew of its own."""

    world: "World"
    skew: timedelta

    def now(self) -> datetime:
        return self.world.now + self.skew

    def sleep(self, seconds: float) -> None:
        self.world.advance(timedelta(seconds=seconds))

    def new_id(self) -> UUID:
        return self.world.new_id()


class World:
    """Everything that happens for one seed."""

    def __init__(
        self,
        seed: int,
        views: Views,
        chances: Chances,
        write: Callable[[str], None] | None = None,
        *,
        sourced: bool = False,
    ) -> None:
        self.seed = seed
        self.random = Random(seed)
        self.now = BEGINNING
        self.views = views
        self.store = views.open()
        self.journal = Journal(lambda: self.now, write)
        self.counts = self.journal.counts
        self.person = Witness(self.journal, "people")
        self.weather = Weather(self.random, chances, self.counts, pass_time=self.advance)
        self.clouds: dict[str, Cloud] = {}
        self.checks = Checks(self.store, self.clouds, lambda: self.now)
        self.elsewhere = Elsewhere(Random(f"{seed} elsewhere")) if sourced else None
        self.checks.elsewhere = self.elsewhere
        self.active: list[tuple[Invocation, datetime]] = []
        """Each with the time at which it came to the point where it stands."""
        self.frozen: set[Invocation] = set()
        self._templates = 0
        self._invocations = 0

    def close(self) -> None:
        """End every thread, whatever state the world is in."""
        for invocation, _ in self.active:
            invocation.kill()
        self.active.clear()
        self.views.give_back(self.store)

    # Setting up

    def new_id(self) -> UUID:
        return UUID(int=self.random.getrandbits(128), version=4)

    def add_pool(
        self, name: str, kind: Kind, queues: tuple[WorkQueue, ...], limit: int | None, share: Share = Share.STRICT
    ) -> None:
        """Make a pool and the cloud behind it."""
        pool = WorkPool(
            id=self.new_id(),
            name=name,
            type=name,
            base_job_template=self.template(),
            queues=queues,
            concurrency_limit=limit,
            created_at=self.now,
            mirror=MIRROR if self.elsewhere else None,
            share=share,
        )
        self.store.save_pool(pool, expected_version=None)
        self.clouds[name] = Cloud(kind, self.random, lambda: self.now, self._started)

    def _started(self, job: CloudJob) -> None:
        self.counts["jobs"] += 1
        self.checks.started(job)

    def template(self) -> dict[str, Any]:
        """A base job template that nothing was ever rendered from."""
        self._templates += 1
        body = {"image": f"image-{self._templates}", "n": "{{ n }}", "place": "{{ place }}", "gpu": "{{ gpu }}"}
        types = {"n": "integer", "place": "string", "gpu": "number"}
        properties = {name: {"type": kind} for name, kind in types.items()}
        return {"job_configuration": body, "variables": {"type": "object", "properties": properties}}

    # What invocations see

    def dispatch(self, invocation: Pausing, store: Store, who: str) -> Dispatch:
        """The world as one invocation reaches it."""
        skew = self.random.choice([-SKEW / 2, SKEW / 2, self.random.uniform(-SKEW / 2, SKEW / 2)])
        witness = Witness(self.journal, who)

        def provider(pool: str) -> Provider:
            cloud = self.clouds[pool]
            lease = LEASE + timedelta(seconds=limits_of(cloud.kind).lookup_lag + SKEW)
            return SimulatedProvider(cloud, Wire(cloud, invocation, self.weather, self.checks, witness, lease).request)

        faulty: Any = FaultyStore(store, invocation, self.weather, self.checks, witness)
        clock = SimulatedClock(self, timedelta(seconds=skew))
        source = SimulatedSource(self.elsewhere, invocation, self.weather, self.now) if self.elsewhere else None
        limits = self.limits()
        return Dispatch(store=faulty, providers=provider, clock=clock, events=witness.event, limits=limits, source=source)

    def limits(self) -> TickLimits:
        """What a tick is allowed: little, so that it has to come again."""
        batch = self.random.choice([1, 3, 6])
        skew = timedelta(seconds=SKEW)
        return TickLimits(
            lease=LEASE,
            clock_skew=skew,
            batch=batch,
            claims=12,
            discards=3,
            observations=20,
            windows=WindowLimits(ahead=timedelta(minutes=10), most=3, grace=GRACE),
            history=HISTORY,
            pruned=5,
        )

    def start(self, what: str, work: Callable[[Dispatch], Any]) -> Invocation:
        """Begin an invocation; it stands at its first IO point until it is resumed."""
        self._invocations += 1
        who = f"{what}#{self._invocations}"

        def run(invocation: Invocation) -> Any:
            store = self.views.open()
            try:
                return work(self.dispatch(invocation, store, who))
            except StoreError as problem:
                self.counts["failed invocations"] += 1
                self.journal.log(who, f"fails: {problem}".__str__)
            finally:
                self.views.give_back(store, crashed=invocation.killed)

        invocation = Invocation(run, who)
        self.active.append((invocation, self.now))
        return invocation

    def start_tick(self) -> Invocation:
        """Begin a tick of every pool."""
        self.counts["ticks"] += 1
        return self.start("tick", lambda dispatch: tick(dispatch, dispatch.clock.now() + TICK))

    def resume(self, index: int) -> None:
        """Let one invocation go on to its next IO point."""
        invocation, _ = self.active[index]
        invocation.resume()
        if invocation.alive:
            self.active[index] = (invocation, self.now)
            self.journal.log(invocation.name, lambda: invocation.point)
            return
        del self.active[index]
        self.journal.log(invocation.name, lambda: "ends")
        self._whole(invocation)

    def kill(self, index: int) -> None:
        """Crash one invocation at the IO point where it stands."""
        invocation, _ = self.active.pop(index)
        self.counts["crashes"] += 1
        self.journal.log(invocation.name, lambda: f"CRASHES at {invocation.point}")
        invocation.kill()
        self._whole(invocation)

    def _whole(self, invocation: Invocation) -> None:
        """What one run, job, schedule or pool does badly ends no tick."""
        problem = invocation.problem
        if isinstance(problem, Exception) and not isinstance(problem, AssertionError):
            raise Violation(f"never stuck: {invocation.name} ended by {problem!r}") from problem
        if problem is not None:
            raise problem

    # Time

    def advance(self, step: timedelta) -> None:
        """Let time pass, at most as far as the calls under way may take; what is delivered meanwhile takes effect."""
        calling = [since for invocation, since in self.active if invocation.point.startswith(BOUNDED)]
        longest = [since + timedelta(seconds=CALL_TIMEOUT) - self.now for since in calling]
        step = max(min([step, *longest]), timedelta())
        target = self.now + step
        for at, _ in sorted(self.weather.pending, key=lambda entry: entry[0]):
            if at > target:
                break
            self.now = max(self.now, at)
            self.weather.deliver(self.now)
        self.now = target

    def leap(self, step: timedelta) -> None:
        """Let much time pass: what was under way is killed, as its platform would, or frozen where it stands."""
        while self.active and self.random.random() < 0.7:
            self.kill(0)
        self.advance(step)
