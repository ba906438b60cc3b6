"""`dispatcher prefect`: serve the push work pools of a self-hosted Prefect server."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import click

from dispatcher.cli.command import Group, Output
from dispatcher.cli.context import Context, pass_context
from dispatcher.cli.input.consent import consent, yes_option
from dispatcher.environment.addresses import url_fault
from dispatcher.environment.settings import Settings
from dispatcher.errors import Fault, InvalidInput

if TYPE_CHECKING:
    from dispatcher.prefect.server import PrefectServer
    from dispatcher.prefect.standing import MirrorStatus


@click.group(cls=Group)
def prefect() -> None:
    """Serve the push work pools of a self-hosted Prefect server."""


@prefect.command(
    "connect",
    example="dispatcher prefect connect http://prefect.internal:4200/api\n"
    "dispatcher prefect connect http://prefect.internal:4200/api --wake-url https://dispatcher.example/wake\n"
    "dispatcher prefect connect http://prefect.internal:4200/api --wake-url https://x.azurewebsites.net/api/tick "
    "--wake-header x-functions-key=FUNCTION_KEY",
)
@click.argument("url")
@click.option(
    "--wake-url",
    metavar="URL",
    help="Make automations at the server that call this address (`dispatcher serve` has /wake) when a flow run is "
    "scheduled or cancelled, so that it need not wait for the next tick. Give it again for pools that come later.",
)
@click.option(
    "--wake-header",
    "wake_headers",
    multiple=True,
    metavar="NAME=VARIABLE",
    help="A header of these calls, whose value is in this environment variable. Repeat it for more.",
)
@pass_context
def connect(context: Context, /, url: str, wake_url: str | None, wake_headers: Sequence[str]) -> Output:
    """Check a server's API, and show what would be served and the setting that makes ticks serve it.

    Nothing is changed without --wake-url. PREFECT_API_KEY or PREFECT_API_AUTH_STRING is sent if it is set.
    """
    checked = Settings.from_environment({"DISPATCHER_PREFECT_API_URL": url})
    settings = replace(context.settings, prefect_api_url=checked.prefect_api_url)
    headers = _headers(wake_headers)
    stand = ask(context, settings)
    setting = f"DISPATCHER_PREFECT_API_URL={stand.url}"
    text = f"{_text(stand)}\nSet this wherever ticks run:\n  export {setting}"
    woken = _wake(context, settings, stand, wake_url, headers) if wake_url else []
    text += f"\nWakes the dispatcher at once: {', '.join(woken)}" if woken else ""
    return Output(data={**_shape(stand), "setting": setting, "wakes": woken}, text=text, faults=stand.problems)


@prefect.command("status", example="dispatcher prefect status")
@pass_context
def status(context: Context, /) -> Output:
    """Show the server of the settings, and which of its work pools are served.

    Exits with 1 if a pool cannot be served, or if a worker serves it as well.
    """
    stand = ask(context, context.settings)
    return Output(data=_shape(stand), text=_text(stand), faults=stand.problems)


@prefect.command("disconnect", example="dispatcher prefect disconnect --yes")
@yes_option
@pass_context
def disconnect(context: Context, /, *, yes: bool) -> Output:
    """Turn mirrored pools into paused pools of our own; runs that wait in them stay scheduled in Prefect.

    Remove DISPATCHER_PREFECT_API_URL where ticks run first, and leave it set here: claims are given back and ends reported.
    It is refused while a run of one of the pools has not ended.
    """
    consent("stop mirroring the work pools of the Prefect server", yes=yes)
    if context.settings.prefect_api_url is None:
        names = _part(context, None)
        return Output(data={"work_pools": names}, text=f"{_parted(names)}\n{_NOTHING_REPORTED}")
    from dispatcher.prefect.waking import wake_no_more  # noqa: PLC0415 - help needs no server
    from dispatcher.wiring import prefect_source  # noqa: PLC0415 - likewise

    server = prefect_source(context.settings, context.wiring.store, context.wiring.dispatch.clock).server
    try:
        names, woken = _part(context, server), list(wake_no_more(server))
    finally:
        server.close()
    return Output(data={"work_pools": names, "wakes": woken}, text=f"{_parted(names)}\nAutomations removed: {len(woken)}.")


def _headers(words: Sequence[str]) -> dict[str, str]:
    """The headers of wakes. Raises `InvalidInput`."""
    headers: dict[str, str] = {}
    for word in words:
        name, equals, variable = word.partition("=")
        if not name or not equals or not os.environ.get(variable):
            words_ = f"{word!r}: give NAME=VARIABLE, a header and an environment variable that is set here"
            raise InvalidInput("request", [Fault("--wake-header", words_)])
        headers[name] = os.environ[variable]
    return headers


def _wake(context: Context, settings: Settings, stand: MirrorStatus, url: str, headers: Mapping[str, str]) -> list[str]:
    """The pools whose events wake the dispatcher now. Raises `InvalidInput` or `SourceError`."""
    from dispatcher.prefect.waking import unsigned_fault, wake_on_events  # noqa: PLC0415 - help needs no server

    if fault := url_fault(url) or unsigned_fault(url, headers):
        raise InvalidInput("request", [Fault("--wake-url", fault)])
    from dispatcher.wiring import prefect_source  # noqa: PLC0415 - likewise

    pools = [pool.name for pool in stand.pools if not pool.problem]
    server = prefect_source(settings, context.wiring.store, context.wiring.dispatch.clock).server
    try:
        wake_on_events(server, pools, url, headers)
    finally:
        server.close()
    return pools


_NOTHING_REPORTED = (
    "Nothing was reported to the server, and automations are still there: DISPATCHER_PREFECT_API_URL is not set here."
)


def _part(context: Context, server: PrefectServer | None) -> list[str]:
    from dispatcher.prefect.parting import Parting  # noqa: PLC0415 - help needs no server

    return list(Parting(store=context.wiring.store, server=server, now=context.wiring.dispatch.clock.now()).part())


def _parted(names: Sequence[str]) -> str:
    return f"Paused, and no longer mirrored: {', '.join(names) or 'no work pool'}."


def ask(context: Context, settings: Settings) -> MirrorStatus:
    """The state of the server of these settings. Raises `SettingsError` or `SourceError`."""
    from dispatcher.wiring import prefect_source  # noqa: PLC0415 - help needs no server

    source = prefect_source(settings, context.wiring.store, context.wiring.dispatch.clock)
    from dispatcher.prefect.standing import standing  # noqa: PLC0415 - after the check that httpx is installed

    try:
        return standing(source)
    finally:
        source.server.close()


def _shape(stand: MirrorStatus) -> dict[str, Any]:
    return {"url": stand.url, "version": stand.version, "work_pools": [asdict(pool) for pool in stand.pools]}


def _text(stand: MirrorStatus) -> str:
    lines = [f"Prefect {stand.version} at {stand.url}"]
    for pool in stand.pools:
        served = "is served" if pool.mirrored else "is served from the next tick on"
        lines.append(f"  {pool.name} ({pool.type}): {pool.problem or served}")
        lines += [f"    warning: {warning}" for warning in pool.warnings]
    return "\n".join([*lines, *([] if stand.pools else ["  No work pool of a push type."])])
