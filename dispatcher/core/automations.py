"""When automations act, and on what. Pure. `core.deeds` says what they do then.

When a run ends and an automation must look at that end, the store marks the run (`Run.automate_at`) in the same write. A tick
removes the mark in the transaction that writes what the automations do, so each end is looked at once. A condition that lasts
(a held pool, a long queue) is an episode: an automation acts once in each episode.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid5

from dispatcher.models import (
    Automation,
    Episode,
    Firing,
    Paused,
    Progress,
    QueueLonger,
    Run,
    RunEnded,
    RunLate,
    RunState,
    SeenEnd,
    Target,
    WorkPool,
)

Part = TypeVar("Part", bound=Any)
"""A part of an automation."""

COUNTED = frozenset({RunState.COMPLETED, RunState.FAILED, RunState.CRASHED})
"""The ends that count towards the last ones, beside those that an automation names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What a store has to know of an automation: which ends it must look at, and which pools' ticks look at it."""

    pool: str | None
    """The pool that it names."""
    elsewhere: bool
    """The ticks of all other pools look at the automation, not those of its own pool."""
    deployment: str | None
    """The deployment whose ends it looks at; None: any."""
    end_states: frozenset[RunState]
    """The ends it looks at; empty if it is paused or looks at something else."""
    looks: bool
    """Every tick of the pools that it concerns looks at it, even a tick with nothing else to do."""

    def concerns(self, pool: str) -> bool:
        """Whether ticks of this pool look at it."""
        return self.pool != pool if self.elsewhere else self.pool in (None, pool)

    def is_owed(self, run: Run, state: RunState) -> bool:
        """Whether the automation must look at the end of this run in this state."""
        return state in self.end_states and self.pool in (None, run.pool) and self.deployment in (None, run.deployment)


def watch_of(automation: Automation) -> Watch:
    """What a store has to know of the automation."""
    when, active = automation.when, not automation.paused
    return Watch(
        pool=when.pool,
        elsewhere=when.not_ticked is not None,
        deployment=when.ended.deployment if when.ended else None,
        end_states=_end_states(when.ended) if when.ended and active else frozenset(),
        looks=active and when.ended is None,
    )


def saving(automation: Automation, stored: Automation | None) -> Automation:
    """The automation to save: fields that ticks write are kept, unless its condition has changed or it was paused."""
    if stored is None:
        return replace(automation, version=1)
    is_same = (stored.when, stored.paused) == (automation.when, automation.paused)
    progress = stored.progress if is_same else Progress()
    return replace(automation, version=stored.version + 1, revision=stored.revision + 1, progress=progress)


def with_renamed(automation: Automation, before: str, after: str) -> Automation:
    """The automation with the new name of a deployment. If it waits for that deployment's runs, it starts counting again."""
    then = tuple(_renamed(then, before, after) for then in automation.then)
    return replace(automation, when=_renamed(automation.when, before, after), then=then)


def _renamed(part: Part, before: str, after: str) -> Part:
    changes: dict[str, Any] = {}
    for field in fields(part):
        value = getattr(part, field.name)
        if field.name == "deployment" and value == before:
            changes[field.name] = after
        elif is_dataclass(value) and not isinstance(value, type):
            changes[field.name] = _renamed(value, before, after)
    return replace(part, **changes)


def owed_since(run: Run, state: RunState, ended_at: datetime | None, watches: Iterable[Watch]) -> datetime | None:
    """The `automate_at` of a run that reaches this state: its end time if an automation must look at that end."""
    is_owed = run.state is not state and state.is_terminal and any(watch.is_owed(run, state) for watch in watches)
    return ended_at if is_owed else run.automate_at


def _end_states(ended: RunEnded) -> frozenset[RunState]:
    """The ends that an automation looks at. One that counts ends in a row also looks at the ends that break the row."""
    return ended.states | COUNTED if _is_counting(ended) else ended.states


def _is_counting(ended: RunEnded) -> bool:
    return ended.count > 1 or ended.of_last is not None


# Ends


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What an automation concludes from one look."""

    automation: Automation
    """With its new progress."""
    progressed: bool
    """Whether it has new progress."""
    because: str | None = None
    """Why it acts; None: it does not."""
    occasion: str = ""
    """What it acts on, as an id: equal for every look at the same thing."""
    runs: tuple[Run, ...] = ()
    """The runs that it acts on."""

    @property
    def firing_id(self) -> UUID:
        """The id of the firing: the record that it acted on this occasion."""
        return uuid5(self.automation.id, self.occasion)


def at_end(automation: Automation, run: Run) -> Look:
    """What an automation concludes from the end of a run."""
    ended = automation.when.ended
    if ended is None or automation.paused or not _is_of(ended, run) or not _is_after(run, automation):
        return Look(automation=automation, progressed=False)
    occasion, runs = f"{run.id}/{run.attempt}", (run,)
    if not _is_counting(ended):
        because = _end_text(run) if run.state in ended.states else None
        return Look(automation=automation, progressed=False, because=because, occasion=occasion, runs=runs)
    if run.state not in _end_states(ended):
        return Look(automation=automation, progressed=False)
    last = _with_end(automation.progress.ends, run, ended)
    hits = sum(end.counts for end in last)
    if run.state in ended.states and hits >= ended.count:
        because = _ends_text(ended, run, hits, len(last))
        return Look(automation=_with(automation, ends=()), progressed=True, because=because, occasion=occasion, runs=runs)
    return Look(automation=_with(automation, ends=last), progressed=True)


def _is_of(condition: RunEnded | RunLate, run: Run) -> bool:
    return (
        condition.pool in (None, run.pool)
        and condition.queue in (None, run.queue)
        and condition.deployment in (None, run.deployment)
        and (condition.tag is None or condition.tag in run.tags)
    )


def _is_after(run: Run, automation: Automation) -> bool:
    """Whether the run ended after the automation was made: it does not act on earlier ends."""
    return run.ended_at is None or run.ended_at >= automation.created_at


def _with_end(ends: Sequence[SeenEnd], run: Run, ended: RunEnded) -> tuple[SeenEnd, ...]:
    """The last ends with this one added, sorted by time: ends do not always arrive in order."""
    end = SeenEnd(ended_at=run.ended_at or run.created_at, run=run.id, counts=run.state in ended.states)
    in_order = sorted((*ends, end), key=lambda seen: (seen.ended_at, seen.run))
    return tuple(in_order[-(ended.of_last or ended.count) :])


def _with(automation: Automation, **progress: object) -> Automation:
    return replace(automation, progress=replace(automation.progress, **progress))  # type: ignore[arg-type]  # its fields


def _end_text(run: Run) -> str:
    return f"run {run.name!r} ended {run.state}"


def _ends_text(ended: RunEnded, run: Run, hits: int, seen: int) -> str:
    states = " or ".join(sorted(ended.states))
    return f"{hits} of the last {seen} runs{subject(ended)} ended {states}; the last was {run.name!r}"


def subject(condition: RunEnded | RunLate) -> str:
    """The deployment of its runs, as ` of deployment 'etl'`; empty if it is about all runs."""
    named = {
        "deployment": condition.deployment,
        "queue": condition.queue,
        "work pool": condition.pool,
        "tag": condition.tag,
    }
    words = [f"{noun} {name!r}" for noun, name in named.items() if name is not None]
    return f" of {', '.join(words)}" if words else ""


# What lasts


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolFacts:
    """What a tick knows of its pool when it looks at automations."""

    pool: WorkPool
    now: datetime
    due: Sequence[Run] = ()
    """The first due runs of each queue; as many as `LOOKED_AT` of one."""
    due_counts: Mapping[str, int] | None = None
    """By queue: how many runs are due, counted only up to the largest number that an automation names."""
    others: Mapping[str, WorkPool | None] | None = None
    """Other pools, by the names that automations name."""


LOOKED_AT = 100
"""Due runs of each queue among which late ones are looked for."""


def at_look(automation: Automation, seen: PoolFacts) -> Look:
    """What an automation concludes about a condition that lasts in a pool."""
    because, patience, runs = _condition(automation, seen)
    episode = automation.progress.episodes.get(seen.pool.name)
    if because is None:
        return Look(automation=_without(automation, seen.pool.name), progressed=episode is not None)
    begun = episode or Episode(since=seen.now)
    if (begun.fired and not _cancels(automation)) or seen.now - begun.since < patience:
        noted = _in_episode(automation, seen.pool.name, begun)
        return Look(automation=noted, progressed=episode is None)
    acted = _in_episode(automation, seen.pool.name, replace(begun, fired=True))
    occasion = f"{runs[0].id}/{runs[0].fence}" if _cancels(automation) and runs else begun.since.isoformat()
    return Look(automation=acted, progressed=True, because=because, occasion=f"{seen.pool.name}/{occasion}", runs=runs)


def _cancels(automation: Automation) -> bool:
    """Whether it cancels late runs: such an automation also acts on runs that become late afterwards."""
    return any(then.cancel for then in automation.then)


Condition = tuple[str | None, timedelta, tuple[Run, ...]]
"""Why an automation acts (None: it does not), how long the condition must last first, and the runs it is about."""

_NO = (None, timedelta(0), ())


def _condition(automation: Automation, seen: PoolFacts) -> Condition:
    when = automation.when
    if automation.paused or not when.concerns(seen.pool.name):
        return _NO
    if when.late is not None:
        return _lateness(when.late, seen)
    if when.held is not None:
        reasons = [hold.reason for hold in seen.pool.holds if hold.until > seen.now]
        words = f"work pool {seen.pool.name!r} is held: {reasons[0]}" if reasons else None
        return words, when.held.longer_than, ()
    if when.not_ticked is not None:
        other = (seen.others or {}).get(when.not_ticked.pool)
        return (_silence(other, when.not_ticked.longer_than, seen.now) if other else None), timedelta(0), ()
    return (_length(when.longer, seen) if when.longer else None), timedelta(0), ()


def _lateness(late: RunLate, seen: PoolFacts) -> Condition:
    runs = tuple(run for run in seen.due if _is_of(late, run) and seen.now - run.due_at >= late.by)
    if not runs:
        return _NO
    runs = tuple(sorted(runs, key=lambda run: (run.due_at, run.id)))
    oldest = runs[0]
    waited = int((seen.now - oldest.due_at).total_seconds())
    return f"run {oldest.name!r} waits for {waited} s beyond its due time", timedelta(0), runs


def _silence(pool: WorkPool, longest: timedelta, now: datetime) -> str | None:
    last = pool.last_tick_at or pool.created_at
    if now - last < longest:
        return None
    return f"work pool {pool.name!r} was not ticked for {int((now - last).total_seconds())} s"


def _length(longer: QueueLonger, seen: PoolFacts) -> str | None:
    count = (seen.due_counts or {}).get(longer.queue, 0)
    words = f"more than {longer.than} runs of work queue {longer.queue!r} of {longer.pool!r} are due"
    return words if count > longer.than else None


def _without(automation: Automation, pool: str) -> Automation:
    episodes = {name: episode for name, episode in automation.progress.episodes.items() if name != pool}
    return _with(automation, episodes=episodes)


def _in_episode(automation: Automation, pool: str, episode: Episode) -> Automation:
    return _with(automation, episodes={**automation.progress.episodes, pool: episode})


# Who paused it


def last_switched(firings: Iterable[Firing], target: Target) -> tuple[Firing, Paused] | None:
    """The last firing that paused or resumed this target. `firings` are newest first."""
    return next(((firing, done) for firing in firings for done in firing.paused if done.target == target), None)


def by_automation(firing: Firing) -> str:
    """A firing as a clause: which automation acted, when and why."""
    return f"by automation {firing.automation!r} at {firing.fired_at:%Y-%m-%d %H:%M:%SZ}, because {firing.because}"


def paused_by(firings: Iterable[Firing], pool: WorkPool, queue: str | None) -> str:
    """Which automation paused a pool, or a queue of it, as a clause; empty if none did. `firings` are newest first.

    If the pool's version is not the one that the automation left, somebody has changed the pool since, and may have resumed and
    paused it.
    """
    last = last_switched(firings, Target(pool=pool.name, queue=queue))
    if last is None or not last[1].paused:
        return ""
    firing, done = last
    return f" {by_automation(firing)}{'' if done.version == pool.version else '; the pool has been changed since'}"
