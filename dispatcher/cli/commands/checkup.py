"""The checks of `dispatcher doctor`. Each says what is wrong and how to fix it. They change and start nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from importlib.util import find_spec
from typing import Any
from zoneinfo import available_timezones

from dispatcher.cli.context import Context
from dispatcher.client import PoolView
from dispatcher.core.drift import Drift
from dispatcher.core.holds import active
from dispatcher.core.reasons import Reason
from dispatcher.core.templates import render
from dispatcher.environment.settings import Settings
from dispatcher.errors import DispatcherError, SettingsError, SourceError, StoreError
from dispatcher.models import Deployment, HoldKind, Status, WorkPool, submission_name
from dispatcher.models.records import RunFilter
from dispatcher.upkeep.strays import strays
from providers import registry
from providers.base import ConfigurationError, GivesAdvice, Job, ProviderError

LATEST = 20
"""How many recent runs of a pool the doctor searches for a job configuration."""

READERS = {"cronsim": "cronsim"}
"""The library that parses schedules, and its distribution."""


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    """Something could not be checked, or may be intended."""
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """The outcome of one check."""

    check: str
    """settings, store, libraries, hooks, prefect, drift, windows, clock, schedule, provider, credentials or place."""
    subject: str
    """The subject of the check: a setting, a store, a work pool."""
    level: Level
    text: str
    fix: str = ""


def checkup(context: Context) -> Iterator[CheckResult]:
    """Run all checks in turn, except those that an earlier problem makes impossible."""
    try:
        settings = context.settings
    except SettingsError as problem:
        yield _problem("settings", "environment", str(problem), "correct the environment variable that it names")
        return
    lease = f"a lease of {settings.lease_seconds:g} s outlives a tick of {settings.tick_seconds:g} s"
    yield CheckResult(check="settings", subject="environment", level=Level.OK, text=lease)
    try:
        pools = context.client.work_pools()
        yield CheckResult(check="store", subject=context.store_name, level=Level.OK, text=f"answers; work pools: {len(pools)}")
        deployments = context.client.deployments()
        yield from _libraries(deployments)
        yield from _hooks(settings, (*pools, *deployments))
        yield from _prefect(context)
        yield from _drift(context.client.drift())
        for pool in pools:
            view = context.client.inspect_work_pool(pool.name)
            yield _windows(view.pool, deployments, context.settings.heartbeat)
            yield from _pool(context, view)
    except (SettingsError, StoreError) as problem:
        yield _problem("store", context.store_name, str(problem), "see DISPATCHER_STORE; `dispatcher store check` looks closer")


def _pool(context: Context, view: PoolView) -> Iterator[CheckResult]:
    now = context.wiring.dispatch.clock.now()
    yield _clock(view.pool, now, timedelta(seconds=context.settings.clock_skew_seconds))
    yield _schedule(view, now)
    yield _late(context, view, now)
    try:
        provider = context.wiring.dispatch.providers(view.pool.type)
    except (ProviderError, SettingsError) as problem:
        yield _problem("provider", view.pool.name, str(problem), "install the package or set the variable that it names")
        return
    yield CheckResult(check="provider", subject=view.pool.name, level=Level.OK, text=f"{view.pool.type} can be used")
    yield from _unchecked(context, view.pool)
    access = _credentials(context, view.pool, provider)
    yield access
    if access.level is Level.OK:
        yield _jobs(context, view.pool)
        yield from _advice(context, view.pool, provider)


def _prefect(context: Context) -> Iterator[CheckResult]:
    """Check the Prefect server of the settings, if there is one."""
    url = context.settings.prefect_api_url
    if url is None:
        return
    from dispatcher.cli.commands.prefect import ask  # noqa: PLC0415 - only where there is a server

    try:
        stand = ask(context, context.settings)
    except (SourceError, SettingsError) as problem:
        yield _problem("prefect", url, str(problem), "check the address, and that this machine reaches it")
        return
    for line in stand.problems:
        yield _problem("prefect", url, line, "`dispatcher prefect status` shows all of them")
    for line in stand.warnings:
        yield CheckResult(check="prefect", subject=url, level=Level.WARNING, text=line)
    text = f"Prefect {stand.version} answers; work pools served: {len(stand.pools)}"
    yield CheckResult(check="prefect", subject=url, level=Level.OK, text=text)


def _drift(lines: Sequence[Drift]) -> Iterator[CheckResult]:
    """Report what people and automations have changed since the last `apply`."""
    paths: dict[str, list[str]] = {}
    for line in lines:
        if line.automation is None:
            paths.setdefault(line.name, []).append(line.path)
    for name, fields in paths.items():
        text = f"changed by hand since the last apply: {', '.join(fields[:5])}{', ...' if len(fields) > 5 else ''}"
        fix = "`dispatcher plan` shows it; put it into the file, or change it back"
        yield CheckResult(check="drift", subject=name, level=Level.WARNING, text=text, fix=fix)
    for line in lines:
        if line.automation is not None:
            fix = f"{'resume' if line.now else 'pause'} it once the reason is gone, or say so in the file"
            yield CheckResult(
                check="drift", subject=line.name, level=Level.WARNING, text=f"{line.path}: {line.because}", fix=fix
            )


def _libraries(deployments: Sequence[Deployment]) -> Iterator[CheckResult]:
    """Check, if there are schedules, that the library that parses them is installed: it must be, wherever ticks run."""
    schedules = [schedule for deployment in deployments for schedule in deployment.schedules]
    if not schedules:
        return
    lacking = [distribution for module, distribution in READERS.items() if find_spec(module) is None]
    unknown = sorted({schedule.timezone for schedule in schedules} - available_timezones())
    if unknown:
        lacking.append(f"a tz database with {', '.join(unknown[:3])} (tzdata)")
    if lacking:
        text = f"deployments have schedules, and this Python lacks {' and '.join(lacking)}"
        fix = "pip install 'push-dispatcher[schedules]'; a function's package takes --extras schedules"
        yield _problem("libraries", "schedules", text, fix)
        return
    yield CheckResult(check="libraries", subject="schedules", level=Level.OK, text=f"can be read; there are {len(schedules)}")


def _hooks(settings: Settings, nouns: Sequence[WorkPool | Deployment]) -> Iterator[CheckResult]:
    """Check that each named hook is in the settings with its secret: it must be, wherever ticks run."""
    named = {hook.name for noun in nouns for hook in noun.hooks}
    for name in sorted(named - settings.hooks.keys()):
        namers = [
            f"{'work pool' if isinstance(noun, WorkPool) else 'deployment'} {noun.name!r}"
            for noun in nouns
            if any(hook.name == name for hook in noun.hooks)
        ]
        more = f" and {len(namers) - 3} more" if len(namers) > 3 else ""
        text = f"named by {', '.join(namers[:3])}{more}, and DISPATCHER_HOOKS has no such entry"
        yield _problem("hooks", name, text, "add it to DISPATCHER_HOOKS here and wherever ticks are, or remove the hook")
    for name, entry in settings.hooks.items():
        variable = entry.get("secret_variable")
        if variable and not os.environ.get(variable):
            text = f"its secret must be in the variable {variable}, which is not set: nothing is delivered"
            yield _problem("hooks", name, text, f"set {variable} here and wherever ticks are, or remove secret_variable")
        elif name in named:
            yield CheckResult(
                check="hooks", subject=name, level=Level.OK, text="is in the settings; `dispatcher hook test` tries it"
            )


def _clock(pool: WorkPool, now: datetime, skew: timedelta) -> CheckResult:
    """Compare clocks: a last tick in the future means that another machine's clock is ahead of this one's."""
    ahead = pool.last_tick_at - now if pool.last_tick_at else timedelta()
    if ahead > skew:
        text = f"its last tick is {ahead.total_seconds():.0f} s in the future: two clocks differ by more than {skew.seconds} s"
        fix = "set the clocks right, or raise DISPATCHER_CLOCK_SKEW_SECONDS (and the lease) everywhere"
        return _problem("clock", pool.name, text, fix)
    return CheckResult(check="clock", subject=pool.name, level=Level.OK, text="agrees with that of the last tick")


def _schedule(view: PoolView, now: datetime) -> CheckResult:
    """Whether ticks run, and what keeps them from admitting runs."""
    pool, due = view.pool, sum(count.due for count in view.counts.values())
    if held := active(pool.holds, now):
        text = "; ".join(f"held until {hold.until.isoformat(timespec='seconds')}: {hold.reason}" for hold in held)
        if any(hold.kind is HoldKind.MISCONFIGURED for hold in held):
            return _problem(
                "schedule", pool.name, f"misconfigured; {text}", "correct it where ticks run; waiting does not help"
            )
        return _warning("schedule", pool.name, text, "wait, or ask for a higher quota")
    if view.status is Status.NOT_READY and due:
        last = (
            f"the last was at {pool.last_tick_at.isoformat(timespec='seconds')}" if pool.last_tick_at else "there was none yet"
        )
        fix = "check that the schedule is on, and look for errors in the function's log; `dispatcher tick` starts one tick"
        return _problem("schedule", pool.name, f"due runs: {due}, and no tick comes; {last}", fix)
    if pool.paused and due:
        fix = f"dispatcher work-pool resume {pool.name}"
        return CheckResult(
            check="schedule", subject=pool.name, level=Level.WARNING, text=f"paused, and {due} runs are due", fix=fix
        )
    missing = f"; no tick {view.last_hour.missing}" if view.last_hour.gaps else ""
    return CheckResult(check="schedule", subject=pool.name, level=Level.OK, text=f"ticks come, or nothing is due{missing}")


def _late(context: Context, view: PoolView, now: datetime) -> CheckResult:
    """Whether runs have been due for too long, why, and which runs hold the slots."""
    oldest = context.client.oldest_due(view.pool.name)
    if oldest is None or not oldest.is_late(now, context.client.heartbeat):
        return CheckResult(check="late", subject=view.pool.name, level=Level.OK, text="no run is late")
    why = context.client.explain(oldest.id)
    due = sum(count.due for count in view.counts.values())
    text = f"due runs: {due}, the oldest ({oldest.name}) since {oldest.due_at.isoformat(timespec='seconds')}: {why.text}"
    holders = [f"{holder.name} ({holder.state} since {_moment(holder.since)})" for holder in why.holders[:3]]
    text += f"; slots are held by {', '.join(holders)}" if holders else ""
    fix = why.fix or f"dispatcher run explain {oldest.id}"
    level = Level.PROBLEM if why.reason is Reason.MISCONFIGURED else Level.WARNING
    return CheckResult(check="late", subject=view.pool.name, level=level, text=text, fix=fix)


def _windows(pool: WorkPool, deployments: Sequence[Deployment], heartbeat: timedelta) -> CheckResult:
    """Whether ticks have time for schedules: windows that they leave will become late runs."""
    ticked = pool.last_tick_at
    near = sorted(
        (deployment.windows_at, deployment.name)
        for deployment in deployments
        if deployment.pool == pool.name and deployment.windows_at
    )
    left = [(since, name) for since, name in near if ticked and ticked - since > heartbeat]
    if not left:
        return CheckResult(check="windows", subject=pool.name, level=Level.OK, text="the last tick left no windows behind")
    text = f"windows of {len(left)} deployments have not become runs, {left[0][1]!r} since {_moment(left[0][0])}"
    fix = "ticks have no time for them (`windows.cut_short` in the log): give the function more time, or more CPU"
    return _warning("windows", pool.name, text, fix)


def _moment(moment: datetime | None) -> str:
    return moment.isoformat(timespec="seconds") if moment else "an unknown time"


def _credentials(context: Context, pool: WorkPool, provider: Any) -> CheckResult:
    """Ask the provider for a job that does not exist. This needs credentials, the place and the right to read."""
    name = submission_name(context.wiring.dispatch.clock.new_id(), 1)
    try:
        provider.find(Job(name=name, configuration=_configuration(context, pool)))
    except (DispatcherError, ProviderError) as problem:
        if isinstance(problem.__cause__ or problem, DispatcherError | ConfigurationError):
            text = f"not checked: neither a run nor the template says where jobs go: {problem}"
            return _warning("credentials", pool.name, text, "run the doctor again after a first run")
        return _problem("credentials", pool.name, str(problem), "give the dispatcher's identity the right that it names")
    return CheckResult(check="credentials", subject=pool.name, level=Level.OK, text="the provider answers")


def _advice(context: Context, pool: WorkPool, provider: Any) -> Iterator[CheckResult]:
    """Risks that the provider finds in the place where the pool's jobs run; most providers report none."""
    if not isinstance(provider, GivesAdvice):
        return
    try:
        for text, fix in provider.advice(_configuration(context, pool)):
            yield _warning("place", pool.name, text, fix)
    except (DispatcherError, ProviderError) as problem:
        yield _warning("place", pool.name, f"could not be checked: {problem}", "run the doctor again")


def _unchecked(context: Context, pool: WorkPool) -> Iterator[CheckResult]:
    """What the provider cannot check in this pool's jobs before they are submitted."""
    try:
        unchecked = registry.check(pool.type, _configuration(context, pool)).unchecked
    except (DispatcherError, ProviderError):  # the other checks report it
        return
    for words in unchecked:
        fix = "install it where pools, deployments and runs are created; without it only ticks find these faults"
        yield _warning("provider", pool.name, f"not checked: {words}", fix)


def _jobs(context: Context, pool: WorkPool) -> CheckResult:
    """Report live jobs that the store does not know, because no limit counts them."""
    try:
        names = strays(context.wiring.dispatch, pool)
    except (DispatcherError, ProviderError) as problem:
        return _warning(
            "jobs",
            pool.name,
            f"live jobs could not be listed: {problem}",
            "run the doctor again, or give the dispatcher the right to list jobs",
        )
    if not names:
        return CheckResult(check="jobs", subject=pool.name, level=Level.OK, text="the store knows every live job")
    text = f"live jobs for which no run of this store holds a slot: {len(names)} ({', '.join(names[:3])})"
    fix = "another dispatcher runs them, or the store was restored from a backup; stop the unneeded ones at the provider"
    return _warning("jobs", pool.name, text, fix)


def _configuration(context: Context, pool: WorkPool) -> Mapping[str, Any]:
    """The job configuration of a recent run, or else the template with its defaults. Raises `RenderError`."""
    for run in context.wiring.store.runs(RunFilter(pool=pool.name), limit=LATEST):
        if run.job is not None:
            return dict(run.job.configuration)
    return render(pool.base_job_template, {})


def _warning(check: str, subject: str, text: str, fix: str) -> CheckResult:
    return CheckResult(check=check, subject=subject, level=Level.WARNING, text=text, fix=fix)


def _problem(check: str, subject: str, text: str, fix: str) -> CheckResult:
    return CheckResult(check=check, subject=subject, level=Level.PROBLEM, text=text, fix=fix)
