"""Every rule that keeps a promise, taken out one at a time. A sabotage that no seed catches is a hole in the simulation.

Each is a small patch of the product (or, where the rule is a cloud's, of how the product uses it), put on for the length of a
`with`. They run on the memory store, whose verbs are plain enough to be broken in one place.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from time import monotonic
from typing import Any
from unittest.mock import patch

from dispatcher.core import admission, holds, lines, pauses, reconciliation, transitions, windows
from dispatcher.prefect import bringing, reporting, source
from dispatcher.stores import memory_state
from dispatcher.stores.memory import MemoryStore
from dispatcher.ticking import line, observing, pool_tick, pools, seam, settling, submitting, tidying
from tests.simulation import breaks, bridge_breaks
from tests.simulation import world as world_module
from tests.simulation.bridged import simulate_bridged
from tests.simulation.checks import Violation
from tests.simulation.cloud import Cloud, SimulatedProvider
from tests.simulation.crowded import simulate_crowded
from tests.simulation.faults import FaultyStore
from tests.simulation.life import simulate
from tests.simulation.shared import simulate_shared
from tests.simulation.stores import memory

Break = Callable[[], AbstractContextManager[Any]]

DRIFT = 8
"""The most seeds that the test suite tries for a sabotage: a change of the tick changes the worlds, and `near` is to follow."""


@dataclass(frozen=True)
class Sabotage:
    """One rule and how it is broken."""

    rule: str
    broken: Break
    seeds: int = 300
    """It must be caught within so many."""
    near: int = 0
    """Where the test suite begins: a seed at most `DRIFT` before one that catches it. The command begins at 0."""
    sourced: bool = False
    """In worlds whose runs come from a source."""
    automated: bool = False
    """In worlds with automations."""
    crowded: bool = False
    """In worlds with limits of deployments, expiry and pauses."""
    shared: bool = False
    """In worlds whose deployments share queues by weight."""
    bridged: bool = False
    """In worlds whose runs come from a Prefect server."""


def _swap(target: Any, name: str, value: Any) -> Break:
    return lambda: patch.object(target, name, value)


@contextmanager
def _all(*breaks: Break) -> Iterator[None]:
    with ExitStack() as stack:
        for sabotage in breaks:
            stack.enter_context(sabotage())
        yield


SABOTAGES: dict[str, Sabotage] = {
    "no token": Sabotage("the name is the idempotency key", _swap(Cloud, "_holds_name", breaks.without_token)),
    "token from the claim": Sabotage(
        "the name is a pure function of run and attempt, never of the claim",
        lambda: _all(
            _swap(submitting, "job_of", breaks.job_with_claim), _swap(SimulatedProvider, "token", breaks.token_of_claim)
        ),
    ),
    "attempt raised without an end": Sabotage(
        "the attempt rises only when nothing lives under the old name", _swap(transitions, "taken_over", breaks.attempt_raised)
    ),
    "no look-up before a repeat": Sabotage(
        "a claim that is taken over is looked up first", _swap(submitting.Submitting, "_look_up", lambda *_: None)
    ),
    "slot counter of its own": Sabotage(
        "slots are counted from runs",
        lambda: _all(
            _swap(MemoryStore, "_snapshot", breaks.snapshot_from_counter), _swap(FaultyStore, "_call", breaks.call_with_counter)
        ),
    ),
    "count outside the claim": Sabotage(
        "slots are counted inside the claiming transaction",
        _swap(FaultyStore, "_claim_effect", breaks.claim_on_an_old_count),
    ),
    "overlap counted outside the claim": Sabotage(
        "live runs of a deployment are counted inside the claiming transaction",
        _swap(FaultyStore, "_claim_effect", breaks.claim_on_old_lives),
        crowded=True,
        near=3,
    ),
    "a replacement before the end is seen": Sabotage(
        "a run that is cancelled for another counts until its end is seen",
        _swap(MemoryStore, "_snapshot", breaks.live_without_what_is_stopped),
        crowded=True,
        near=5,
    ),
    "an expired run starts": Sabotage(
        "what was not claimed in time never starts", _swap(memory_state, "is_expired", lambda *_: False), crowded=True, near=24
    ),
    "the newest of a pause ends": Sabotage(
        "after a pause the newest run of a schedule starts, and the others end",
        _swap(pauses.Missed, "_has_newer", breaks.has_nothing_newer),
        crowded=True,
        near=8,
    ),
    "everything starts after a pause": Sabotage(
        "after a pause a schedule says which of its runs start",
        _swap(submitting, "Missed", breaks.nothing_missed),
        crowded=True,
        near=8,
    ),
    "moved runs and further attempts end after a pause": Sabotage(
        "a pause ends only runs that nobody has claimed or moved",
        _swap(pauses.Missed, "_pause_of", breaks.pause_of_any_run),
        crowded=True,
        near=13,
    ),
    "runs from before a pause end after it": Sabotage(
        "a pause ends only runs that were due in it",
        _swap(pauses.Missed, "_pause_of", breaks.pause_from_the_beginning),
        crowded=True,
        near=13,
    ),
    "slot freed by a timer": Sabotage(
        "a slot is freed only by an observed end", _swap(observing, "verdicts", breaks.verdicts_with_timer)
    ),
    "a hint believed as an end": Sabotage(
        "a hint causes a look-up, and ends nothing", _swap(settling, "_observation_of", breaks.seen_as_ended), near=21
    ),
    "the event of an earlier attempt believed": Sabotage(
        "an event counts for the attempt that it is about", _swap(settling, "_is_current", lambda *_: True), near=28
    ),
    "record without fence": Sabotage(
        "every write under a claim names its fence",
        lambda: _all(
            _swap(submitting, "recorded", breaks.recorded_by_anyone),
            _swap(MemoryStore, "_change", breaks.change_without("fence")),
        ),
        seeds=1500,
        near=135,
    ),
    "update without the expected state": Sabotage(
        "every write names the state it leaves",
        _swap(MemoryStore, "_change", breaks.change_without("state", "fence", "ending")),
    ),
    "unknown taken for failure": Sabotage(
        "no answer is not a refusal", _swap(submitting, "recorded", breaks.unknown_is_failure)
    ),
    "refusal of a repeat taken for proof": Sabotage(
        "a refused repeat says nothing of the submission before it",
        _swap(submitting, "recorded", breaks.refusal_is_proof),
        near=28,
    ),
    "rendered again": Sabotage(
        "a claim pins what it renders", _swap(FaultyStore, "_claim_effect", breaks.claim_rendered_again), near=7
    ),
    "no deadline": Sabotage(
        "nothing is submitted after the deadline", _swap(world_module, "TICK", timedelta(days=1)), seeds=2500, near=1169
    ),
    "lease shorter than the invocation": Sabotage(
        "a lease outlives the invocation that made it", _swap(world_module, "LEASE", timedelta(seconds=-10)), near=26
    ),
    "missing taken for gone": Sabotage(
        "a missing job is an end only after the look-up lag",
        _swap(pool_tick, "cautious", lambda limits, skew: replace(limits, lookup_lag=0.0)),
        near=4,
    ),
    "skew forgotten": Sabotage(
        "the clocks of two invocations may differ",
        _swap(pool_tick, "cautious", lambda limits, skew: limits),
        near=18,
    ),
    "an old observation judged by a new clock": Sabotage(
        "what is missing is judged by the time at which looking began",
        _swap(line, "settle", breaks.settle_by_the_clock_of_now),
        seeds=1500,
        near=163,
    ),
    "absence always trusted": Sabotage(
        "absence proves nothing once the provider has forgotten", _swap(submitting, "is_forgotten", lambda *_: False)
    ),
    "cancelled claim submitted": Sabotage(
        "a cancelled run whose claim is taken over is never submitted",
        _swap(submitting.Submitting, "_look_up", breaks.look_up_and_go_on),
        near=13,
    ),
    "discarded at once": Sabotage(
        "what lingers guards its name until no request can be on its way",
        _swap(line, "tidy", breaks.tidy_at_once),
        near=104,
    ),
    "cancel forgotten by a retry": Sabotage(
        "a run that people cancelled meanwhile is not tried again",
        _swap(MemoryStore, "_change", breaks.change_without("ending")),
        seeds=1500,
        near=99,
    ),
    "more attempts than the policy": Sabotage(
        "a retry policy counts every end", _swap(reconciliation, "is_retried", breaks.no_policy_of_attempts), near=4
    ),
    "next attempt before the end": Sabotage(
        "another attempt follows an observed end alone",
        _swap(reconciliation, "verdict", breaks.verdict_that_does_not_wait),
        near=15,
    ),
    "a refusal overwrites a cancelled run": Sabotage(
        "what people cancelled comes to no other end",
        _swap(reconciliation, "_not_started", breaks.refused_and_crashed),
        near=7,
    ),
    "a refused repeat believed too early": Sabotage(
        "absence after a refused repeat is believed only two of the longest leases after the claim",
        _swap(reconciliation, "_believed_at", lambda run, now, _lease: run.lease_until or now),
        near=547,
        seeds=1500,
    ),
    "the start deadline overwrites a cancelled run": Sabotage(
        "what people cancelled comes to no other end",
        _swap(reconciliation, "is_overdue", breaks.overdue_in_any_state),
        seeds=3000,
        near=456,
    ),
    "a moved run without its fence": Sabotage(
        "a waiting run is moved only as it was read",
        _swap(MemoryStore, "_requeue", breaks.requeue_of_anything),
        near=6,
    ),
    "windows counted from now": Sabotage(
        "a schedule goes on from where it was", _swap(windows, "_reach", breaks.reach_from_now), near=4
    ),
    "windows noted apart from their runs": Sabotage(
        "runs of windows are added in the transaction that notes how far they reach",
        _swap(FaultyStore, "_materialise_effect", breaks.materialised_in_two),
        near=26,
    ),
    "runs of a schedule that has changed": Sabotage(
        "a schedule that changes takes its runs to come along", _swap(MemoryStore, "_withdraw", lambda *_: None), near=3
    ),
    "history forgotten too early": Sabotage(
        "ended runs are kept for as long as was said", _swap(MemoryStore, "prune", breaks.prune_all)
    ),
    "lower queues first": Sabotage("queues are served by priority", _swap(submitting, "admit", breaks.admit_from_below)),
    "fair shares of what is free alone": Sabotage(
        "fair shares count the slots that each queue holds",
        _swap(admission, "dealt", breaks.dealt_without_what_is_held),
        near=19,
    ),
    "shares that forget what is live": Sabotage(
        "deployments' shares count what each one holds", _swap(MemoryStore, "_snapshot", breaks.nothing_held), shared=True
    ),
    "weights upside down": Sabotage(
        "a heavier deployment gets more slots", _swap(lines, "level", breaks.level_upside_down), shared=True
    ),
    "last in, first out": Sabotage("a queue is served by due time", _swap(MemoryStore, "_snapshot", breaks.due_newest_first)),
    "one job's refusal holds the pool": Sabotage(
        "a refusal holds the jobs that it concerns, and no others", _swap(submitting, "hold_for", breaks.hold_for_all)
    ),
    "a hold ignores places": Sabotage(
        "a hold belongs to a place", _swap(holds, "concerns", breaks.concerns_wherever_it_goes), near=5
    ),
    "windows before claims": Sabotage(
        "what is due is claimed before windows are made", _swap(line, "Windows", breaks.windows_first)
    ),
    "pools by name": Sabotage("whoever was ticked longest ago goes first", _swap(pools, "_in_turn", lambda in_order: in_order)),
    "an abandoned claim is no work": Sabotage(
        "a pool with a claim to take over has something to do", _swap(MemoryStore, "pools_with_work", breaks.claims_are_no_work)
    ),
    "an adapter's exception escapes": Sabotage(
        "whatever a provider raises is its own pool's problem",
        lambda: _all(
            _swap(seam, "exceptions_reported", breaks.only_what_is_declared),
            _swap(line, "exceptions_reported", breaks.only_what_is_declared),
        ),
    ),
    "unreachable taken for no answer": Sabotage(
        "what was never sent costs no claim", _swap(submitting, "recorded", breaks.unreachable_is_unknown)
    ),
    "a failed look-up costs a lease": Sabotage(
        "a look-up that failed is made again soon", _swap(reconciliation, "LOOKED_UP_AGAIN", timedelta(days=1)), near=8
    ),
    "a source is not asked": Sabotage(
        "a run that a source brings starts only if the source lets it",
        _swap(submitting, "withheld", lambda *_: None),
        sourced=True,
    ),
    "a silent source says yes": Sabotage(
        "no answer of a source is no yes", _swap(submitting, "withheld", breaks.withheld_by_a_clear_no), sourced=True, near=6
    ),
    "an automation that fires twice": Sabotage(
        "an end is taken back in the transaction that writes what automations make of it",
        _swap(FaultyStore, "_automate_effect", breaks.made_before_taken_back),
        automated=True,
        near=8,
    ),
    "an automation that forgets an end": Sabotage(
        "what automations make of an end is written in the transaction that takes it back",
        _swap(FaultyStore, "_automate_effect", breaks.taken_back_before_made),
        automated=True,
        near=38,
    ),
    "history pruned before automations have looked": Sabotage(
        "ended runs are kept until automations have looked at them",
        _swap(tidying, "_is_owing", lambda *_: False),
        automated=True,
        near=8,
    ),
    "a claim without a transition id": Sabotage(
        "a claim that is repeated shows whose it is", _swap(source, "claim_state", bridge_breaks.claim_without_id), bridged=True
    ),
    "a claim judged by its HTTP code": Sabotage(
        "200 and 201 carry refusals", _swap(source, "judged", bridge_breaks.judged_by_code), bridged=True
    ),
    "one id for two steps": Sabotage(
        "every step has a transition id of its own", _swap(reporting, "transition_id", bridge_breaks.one_id), bridged=True
    ),
    "CRASHED before the end is seen": Sabotage(
        "an end is reported when it was observed", _swap(reporting, "owed", bridge_breaks.impatient), bridged=True
    ),
    "job variables read before the claim alone": Sabotage(
        "a job is made from what its flow run says once nobody can change it",
        _swap(source.PrefectSource, "_unchanged", lambda *_: None),
        bridged=True,
        near=63,
    ),
    "history pruned before it is reported": Sabotage(
        "old history is pruned when its source knows the ends",
        _swap(source.PrefectSource, "has_reported", lambda *_: True),
        bridged=True,
        near=84,
    ),
    "occasions counted in the store alone": Sabotage(
        "a flow run that is scheduled again after our history was pruned gets another run",
        lambda: _all(
            _swap(bringing, "latest", bridge_breaks.latest_in_the_store),
            _swap(reporting, "latest", bridge_breaks.latest_in_the_store),
        ),
        bridged=True,
        near=8,
    ),
    "a refused repeat keeps its slot": Sabotage(
        "a slot is held by a live job or by nobody",
        _swap(transitions, "taken_over", breaks.taken_over_as_if_never_refused),
        near=13,
    ),
}


@dataclass(frozen=True)
class Caught:
    """How one sabotage ended. `seed` is the one that noticed; None when none did."""

    name: str
    seed: int | None
    violation: str
    seconds: float

    def row(self) -> list[str]:
        """A line of the table."""
        seed = "NOT CAUGHT" if self.seed is None else str(self.seed)
        return [self.name, seed, str(SABOTAGES[self.name].seeds), f"{self.seconds:.1f}"]


def hunt(name: str, first: int = 0) -> Caught:
    """Take a rule out and look for the seed that notices, from seed `first` on.

    The same seed must break nothing with the rule in place: otherwise it shows a fault of the product, or of another sabotage.
    """
    sabotage, began = SABOTAGES[name], monotonic()
    for seed in range(first, sabotage.seeds):
        with sabotage.broken():
            violation = _violation(seed, sabotage)
        if violation and not _violation(seed, sabotage):
            return Caught(name, seed, violation, monotonic() - began)
    return Caught(name, None, "", monotonic() - began)


def _violation(seed: int, sabotage: Sabotage) -> str:
    """The promise that a seed breaks; empty when it breaks none."""
    special = {simulate_bridged: sabotage.bridged, simulate_crowded: sabotage.crowded, simulate_shared: sabotage.shared}
    usual = partial(simulate, sourced=sabotage.sourced, automated=sabotage.automated)
    live: Callable[..., Any] = next((live for live, is_meant in special.items() if is_meant), usual)
    with memory() as views:
        try:
            live(seed, views)
        except Violation as violation:
            return str(violation)
    return ""
