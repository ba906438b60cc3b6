"""How calls travel from an invocation to the store and the clouds: every IO point, and every fault that can happen there."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Any, Protocol

from dispatcher.errors import StoreUnavailable
from dispatcher.models import WorkPool
from dispatcher.models.records import Automated, Materialisation
from dispatcher.protocols import Store
from providers.base import (
    Accepted,
    CallFailed,
    Hold,
    Misconfigured,
    Needs,
    Outcome,
    Rejected,
    Throttled,
    Unknown,
    Unreachable,
)
from tests.simulation.checks import Checks
from tests.simulation.cloud import CALL_TIMEOUT, GPU, HUGE, Cloud, Kind, needs_of, submission_of
from tests.simulation.marks import Witness

REPEATABLE = frozenset({Kind.TOKEN, Kind.OBJECT})
"""Kinds that withstand a request that arrives twice, by a token or by a name that stays taken."""

VERY_LATE = 1.9
"""Leases after which even a TOKEN cloud has carried out what it was asked; two after a refused repeat, absence is final."""


BROKEN = "broken"
"""The deployment whose windows cannot be computed; finding that out takes long."""
SLOW = timedelta(seconds=25)


class Pausing(Protocol):
    """A caller that can be stopped at each of its IO points."""

    def pause(self, point: str) -> None:
        """Stop at an IO point."""
        ...


@dataclass
class Chances:
    """How often faults happen: the probability of each at one IO point."""

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
    refused_place: float = 0.03
    """A quota of one place, or a setting that is missing for it: its other jobs are refused as well."""
    unreachable: float = 0.03
    """A refused connection: certainly nothing was sent."""
    odd: float = 0.004
    """A provider raises what it does not declare."""

    @classmethod
    def none(cls) -> "Chances":
        """No faults."""
        return cls(**dict.fromkeys(cls.__dataclass_fields__, 0.0))


@dataclass
class Weather:
    """The faults of a world: their chances, effects that are still to come, and how many happened."""

    random: Random
    chances: Chances
    counts: Counter[str] = field(default_factory=Counter)
    pending: list[tuple[datetime, Callable[[], Any]]] = field(default_factory=list)
    earlier: dict[tuple[str, str], Any] = field(default_factory=dict)
    """Earlier answers to reads."""
    deaf: bool = False
    """No look-up gets an answer, and no submission is sent."""
    crowded: bool = True
    """Some jobs find no room, however long they wait; some schedules cannot be computed, and that takes long."""
    pass_time: Callable[[timedelta], None] = lambda _step: None
    issued: set[Any] = field(default_factory=set)
    """The holds of earlier refusals."""

    def strikes(self, fault: str) -> bool:
        """Whether this fault happens here and now."""
        chance = getattr(self.chances, fault)
        struck = chance > 0 and self.random.random() < chance
        self.counts[fault] += struck
        return struck

    def later(self, at: datetime, effect: Callable[[], Any]) -> None:
        """Schedule an effect for a time."""
        self.pending.append((at, effect))

    def deliver(self, now: datetime) -> None:
        """Carry out the effects that are due."""
        due = [entry for entry in self.pending if entry[0] <= now]
        self.pending = [entry for entry in self.pending if entry[0] > now]
        for _, effect in sorted(due, key=lambda entry: entry[0]):
            effect()


class FaultyStore:
    """A store as one invocation reaches it: each verb is an IO point before and after its effect."""

    WRITES = frozenset({"move", "claim", "hold", "heartbeat", "heartbeats", "discarded", "add_runs", "materialise", "prune"})
    WRITES |= {"automate", "prune_firings"}
    MAY_BE_STALE = frozenset({"live", "lingering", "scheduled", "to_automate"})
    """Reads after which every write is guarded; a store may answer them from an index that lags behind."""

    def __init__(self, store: Store, invocation: Pausing, weather: Weather, checks: Checks, witness: Witness) -> None:
        self._store, self._invocation, self._weather = store, invocation, weather
        self._checks, self._witness = checks, witness
        self._turns: Sequence[WorkPool] = ()
        """The pools of a tick that has not begun with one yet."""
        self._claimed: set[str] = set()
        """The pools of a tick in which what is due was claimed."""

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        """Any verb of the protocol."""
        return lambda *args, **named: self._call(verb, *args, **named)

    def _call(self, verb: str, *args: Any, **named: Any) -> Any:
        self._invocation.pause(f"store.{verb} before")
        if verb == "heartbeat":  # whose turn it is, the request says, whether it arrives or not
            self._checks.goes_first(args[0], self._turns)
            self._turns = ()
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
        if verb == "automate":
            return self._automate(*args)
        result = getattr(self._store, verb)(*args, **named)
        if verb == "pools_with_work":
            self._turns, self._claimed = [], set()
        if verb == "pool" and result:
            self._turns = [*self._turns, result]
        if verb == "hold":
            self._checks.held(result, self._weather.issued)
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
        """Now and then an earlier answer to the same caller."""
        earlier = self._weather.earlier.get(question)
        if earlier and self._weather.strikes("stale_read"):
            self._witness.mark("stale read")
            return earlier
        self._weather.earlier[question] = answer
        return answer

    def _materialise(self, step: Materialisation) -> Any:
        self._checks.comes_after_claims(step.deployment.pool, self._claimed)
        added = self._materialise_effect(step)
        self._checks.materialised(step, added)
        self._witness.materialised(added)
        return added

    def _materialise_effect(self, step: Materialisation) -> Any:
        if step.deployment.name == BROKEN and self._weather.crowded:
            self._weather.pass_time(SLOW)
        return self._store.materialise(step)

    def _automate(self, automated: Automated) -> bool:
        written = self._automate_effect(automated)
        self._witness.automated(automated, written=written)
        self._checks.automated()
        return written

    def _automate_effect(self, automated: Automated) -> bool:
        return self._store.automate(automated)

    def _claim(self, name: str, now: datetime, **named: Any) -> Any:
        self._claimed.add(name)
        pool = self._checks.store.pool(name)
        decider, holding = named["decide"], named["decide"].tick.holding
        expected = self._checks.expected(pool, now, decider.budget, [*holding.fresh, *holding.mute])
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
        if self.weather.strikes("odd"):
            raise KeyError("tasks")
        if call == "submit":
            return self._submit(name, effect, body)
        if self.weather.strikes("call_request_lost") or (self.weather.deaf and call == "find"):
            raise CallFailed(f"{call}: the request was lost")
        result = effect()
        self.witness.called(call, name, result)
        self.invocation.pause(f"{call} after")
        if self.weather.strikes("call_answer_lost"):
            raise CallFailed(f"{call}: the answer was lost")
        return result

    def _submit(self, name: str, effect: Callable[[], Any], body: Any) -> Outcome:
        if self.weather.deaf or self.weather.strikes("unreachable"):
            return Unreachable(cause="connection refused")
        self.checks.submitted(name, body)
        refused = self._refused(needs_of(body["configuration"]))
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

    def _create(self, effect: Callable[[], Any], mark_if_found: str, started: str = "") -> Any:
        before = len(self.cloud.jobs)
        job = effect()
        mark = mark_if_found if len(self.cloud.jobs) == before else started
        if mark:
            self.witness.mark(mark)
        return job

    def _refused(self, needs: Needs) -> Outcome | None:
        if self.weather.strikes("call_request_lost"):
            return Unknown(cause="the request was lost")
        refusal = self._no_room(needs) or self._quota(needs)
        if refusal is not None:
            self.weather.issued.add((refusal.hold.place, *refusal.hold.size) if refusal.hold else None)
            return refusal
        return Rejected(reason="AccessDenied") if self.weather.strikes("rejected") else None

    def _no_room(self, needs: Needs) -> Throttled | None:
        """The refusal of a job that is too big concerns no other job; a lack of capacity concerns those that need as much in
        the same place.
        """
        if needs.size["gpu"] >= HUGE and self.weather.crowded:
            return Throttled(reason="RESOURCE:GPU: never so many", hold=None)
        if needs.size["gpu"] == GPU and self.cloud.is_out_of_gpus(needs.place):
            hold = Hold(place=needs.place, size={"gpu": GPU}, freed_by_end=True)
            return Throttled(reason="RESOURCE:GPU", retry_after=60.0, hold=hold)
        return None

    def _quota(self, needs: Needs) -> Throttled | Misconfigured | None:
        seconds = self.weather.random.choice([None, 3.0, 40.0])
        if self.weather.strikes("throttled"):
            return Throttled(reason="Rate exceeded", retry_after=seconds)
        if not self.weather.strikes("refused_place"):
            return None
        hold = Hold(place=needs.place)
        if seconds is None:
            return Misconfigured(reason="no credentials for this region", hold=hold)
        return Throttled(reason="the region's quota", retry_after=seconds, hold=hold)

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
