"""How calls travel from an invocation to the store and the clouds: every IO point, and everything that can go wrong at it."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Any, Protocol

from dispatcher.errors import StoreUnavailable
from dispatcher.records import Materialisation
from dispatcher.store import Store
from providers.base import Accepted, CallFailed, Outcome, Rejected, Throttled, Unknown
from tests.simulation.checks import Checks
from tests.simulation.cloud import CALL_TIMEOUT, Cloud, Kind, submission_of
from tests.simulation.marks import Witness

REPEATABLE = frozenset({Kind.TOKEN, Kind.OBJECT})
"""Kinds that themselves withstand a request that arrives twice: a token, a name that stays taken."""

VERY_LATE = 1.4
"""Leases after which even a TOKEN cloud has carried out what it was asked; two leases after a claim its absence is final."""


class Pausing(Protocol):
    """Whoever makes calls: it can be stopped at each of its IO points."""

    def pause(self, point: str) -> None:
        """Stand at an IO point."""
        ...


@dataclass
class Chances:
    """How often things go wrong, each as the probability at one IO point."""

    store_request_lost: float = 0.01
    store_answer_lost: float = 0.01
    call_request_lost: float = 0.05
    call_answer_lost: float = 0.08
    late: float = 0.08
    """A submission takes effect after its caller has given up."""
    very_late: float = 0.0
    """... even after the claim's lease has ended; only a token protects from that."""
    duplicated: float = 0.3
    """A submission is delivered twice, the second time a while later."""
    throttled: float = 0.08
    rejected: float = 0.05
    stale_read: float = 0.05

    @classmethod
    def none(cls) -> "Chances":
        """Nothing goes wrong."""
        return cls(**dict.fromkeys(cls.__dataclass_fields__, 0.0))


@dataclass
class Weather:
    """The faults of a world: what they are drawn from, what is still to be delivered, and how many there were."""

    random: Random
    chances: Chances
    counts: Counter[str] = field(default_factory=Counter)
    pending: list[tuple[datetime, Callable[[], Any]]] = field(default_factory=list)
    earlier: dict[tuple[str, str], Any] = field(default_factory=dict)
    """What reads have answered before."""

    def strikes(self, fault: str) -> bool:
        """Whether this fault happens here and now."""
        chance = getattr(self.chances, fault)
        struck = chance > 0 and self.random.random() < chance
        self.counts[fault] += struck
        return struck

    def later(self, at: datetime, effect: Callable[[], Any]) -> None:
        """Let an effect take place when its time has come."""
        self.pending.append((at, effect))

    def deliver(self, now: datetime) -> None:
        """Carry out what is due."""
        due = [entry for entry in self.pending if entry[0] <= now]
        self.pending = [entry for entry in self.pending if entry[0] > now]
        for _, effect in sorted(due, key=lambda entry: entry[0]):
            effect()


class FaultyStore:
    """A store as one invocation reaches it: each verb is an IO point before and after its effect."""

    WRITES = frozenset({"move", "claim", "hold", "heartbeat", "discarded", "add_runs", "materialise", "prune"})
    MAY_BE_STALE = frozenset({"live", "lingering", "scheduled"})
    """Reads after which every write is guarded; a store may answer them from an index that lags behind."""

    def __init__(self, store: Store, invocation: Pausing, weather: Weather, checks: Checks, witness: Witness) -> None:
        self._store, self._invocation, self._weather = store, invocation, weather
        self._checks, self._witness = checks, witness

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        """Any verb of the protocol."""
        return lambda *args, **named: self._call(verb, *args, **named)

    def _call(self, verb: str, *args: Any, **named: Any) -> Any:
        self._invocation.pause(f"store.{verb} before")
        if self._weather.strikes("store_request_lost"):
            raise StoreUnavailable(f"{verb}: the request was lost")
        result = self._effect(verb, *args, **named)
        if verb in self.WRITES:
            self._invocation.pause(f"store.{verb} after")
            if self._weather.strikes("store_answer_lost"):
                raise StoreUnavailable(f"{verb}: the answer was lost")
        return result

    def _effect(self, verb: str, *args: Any, **named: Any) -> Any:
        if verb == "claim":
            return self._claim(*args, **named)
        if verb == "materialise":
            return self._materialise(*args)
        result = getattr(self._store, verb)(*args, **named)
        if verb == "move":
            self._witness.moved(args[0], result)
            self._checks.moved(result)
        if verb == "prune" and result:
            self._checks.pruned(args[1])
        if verb in self.MAY_BE_STALE:
            result = self._perhaps_stale((verb, args[0]), result)
        self._witness.read(verb, result)
        return result

    def _perhaps_stale(self, question: tuple[str, str], answer: Any) -> Any:
        """Now and then the answer of an earlier time, to whoever asked then."""
        earlier = self._weather.earlier.get(question)
        if earlier and self._weather.strikes("stale_read"):
            self._witness.mark("stale read")
            return earlier
        self._weather.earlier[question] = answer
        return answer

    def _materialise(self, step: Materialisation) -> Any:
        added = self._materialise_effect(step)
        self._checks.materialised(step, added)
        self._witness.materialised(added)
        return added

    def _materialise_effect(self, step: Materialisation) -> Any:
        return self._store.materialise(step)

    def _claim(self, name: str, now: datetime, **named: Any) -> Any:
        pool = self._checks.store.pool(name)
        holding = named["decide"].func.__self__.holding
        expected = self._checks.expected(pool, now, named["decide"].keywords["budget"], [*holding.fresh, *holding.mute])
        claims = self._claim_effect(name, now, **named)
        self._checks.claimed(pool, expected, claims)
        self._witness.claimed(claims)
        return claims

    def _claim_effect(self, name: str, now: datetime, **named: Any) -> Any:
        return self._store.claim(name, now, **named)


@dataclass
class Wire:
    """How one invocation's provider calls travel to one cloud."""

    cloud: Cloud
    invocation: Pausing
    weather: Weather
    checks: Checks
    witness: Witness
    lease: timedelta
    """How long a claim of this cloud's pool belongs to its invocation."""

    def request(self, call: str, name: str, effect: Callable[[], Any], body: Any = None) -> Any:
        """One call; raises `CallFailed`, or for a submission answers `Unknown`, when no answer comes."""
        self.invocation.pause(f"{call} before")
        if call == "submit":
            return self._submit(name, effect, body)
        if self.weather.strikes("call_request_lost"):
            raise CallFailed(f"{call}: the request was lost")
        result = effect()
        self.witness.called(call, name, result)
        self.invocation.pause(f"{call} after")
        if self.weather.strikes("call_answer_lost"):
            raise CallFailed(f"{call}: the answer was lost")
        return result

    def _submit(self, name: str, effect: Callable[[], Any], body: Any) -> Outcome:
        self.checks.submitted(name, body)
        refused = self._refused()
        if refused is not None or self._delayed(effect):
            outcome = refused or Unknown(cause="timed out")
            self.witness.called("submit", name, outcome)
            return outcome
        job = self._create(effect, "create: the name was taken by the job itself")
        self.witness.called("submit", name, job)
        if self.cloud.kind in REPEATABLE and self.weather.strikes("duplicated"):
            again = self.weather.random.uniform(0, CALL_TIMEOUT)
            self.weather.later(self.cloud.now() + timedelta(seconds=again), effect)
        self.invocation.pause("submit after")
        if self.weather.strikes("call_answer_lost"):
            return Unknown(cause="the answer was lost")
        return Accepted(submission=submission_of(job))

    def _create(self, effect: Callable[[], Any], found: str, started: str = "") -> Any:
        before = len(self.cloud.jobs)
        job = effect()
        mark = found if len(self.cloud.jobs) == before else started
        if mark:
            self.witness.mark(mark)
        return job

    def _refused(self) -> Outcome | None:
        if self.weather.strikes("call_request_lost"):
            return Unknown(cause="the request was lost")
        if self.weather.strikes("throttled"):
            return Throttled(reason="Rate exceeded", retry_after=self.weather.random.choice([None, 3.0, 40.0]))
        return Rejected(reason="AccessDenied") if self.weather.strikes("rejected") else None

    def _delayed(self, effect: Callable[[], Any]) -> bool:
        """Whether the cloud acts only after the caller has given up."""
        seconds = 0.0
        if self.cloud.kind is Kind.TOKEN and self.weather.strikes("very_late"):
            seconds = self.weather.random.uniform(0.8, VERY_LATE) * self.lease.total_seconds()
        elif self.weather.strikes("late"):
            seconds = self.weather.random.uniform(0, CALL_TIMEOUT)
        if seconds:
            late = partial(self._create, effect, "late request: found the job", "late request: started the job")
            self.weather.later(self.cloud.now() + timedelta(seconds=seconds), late)
        return bool(seconds)
