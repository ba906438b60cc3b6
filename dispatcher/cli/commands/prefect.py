"""`dispatcher prefect`: serve the push work pools of a self-hosted Prefect server."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import click

from dispatcher.cli.command import Answer, Group
from dispatcher.cli.context import Context, pass_context
from dispatcher.cli.input.consent import consent, yes_option
from dispatcher.settings import Settings

if TYPE_CHECKING:
    from dispatcher.prefect.standing import Standing


@click.group(cls=Group)
def prefect() -> None:
    """Serve the push work pools of a self-hosted Prefect server."""


@prefect.command("connect", example="dispatcher prefect connect http://prefect.internal:4200/api")
@click.argument("url")
@pass_context
def connect(context: Context, /, url: str) -> Answer:
    """Check a server's API, and show what would be served and the setting that makes ticks serve it.

    Nothing is changed. PREFECT_API_KEY or PREFECT_API_AUTH_STRING is sent, where one is set.
    """
    checked = Settings.from_environment({"DISPATCHER_PREFECT_API_URL": url})
    stand = ask(context, replace(context.settings, prefect_api_url=checked.prefect_api_url))
    setting = f"DISPATCHER_PREFECT_API_URL={stand.url}"
    text = f"{_text(stand)}\nSet this wherever ticks run:\n  export {setting}"
    return Answer(data={**_shape(stand), "setting": setting}, text=text, faults=stand.problems)


@prefect.command("status", example="dispatcher prefect status")
@pass_context
def status(context: Context, /) -> Answer:
    """Show the server of the settings, and which of its work pools are served.

    Exits with 1 if a pool cannot be served, or if a worker serves it as well.
    """
    stand = ask(context, context.settings)
    return Answer(data=_shape(stand), text=_text(stand), faults=stand.problems)


@prefect.command("disconnect", example="dispatcher prefect disconnect --yes")
@yes_option
@pass_context
def disconnect(context: Context, /, *, yes: bool) -> Answer:
    """Make mirrored pools pools of our own, paused; what waits in them stays scheduled in Prefect.

    Remove DISPATCHER_PREFECT_API_URL where ticks run first. It is refused while a run of one of the pools has not ended.
    """
    from dispatcher.prefect.parting import part  # noqa: PLC0415 - help needs no server

    consent("stop mirroring the work pools of the Prefect server", yes=yes)
    names = list(part(context.wiring.store, context.wiring.dispatch.clock.now()))
    return Answer(data={"work_pools": names}, text=f"Paused, and no longer mirrored: {', '.join(names) or 'no work pool'}.")


def ask(context: Context, settings: Settings) -> Standing:
    """How things stand with the server of these settings. Raises `SettingsError` or `SourceError`."""
    from dispatcher.wiring import prefect_source  # noqa: PLC0415 - help needs no server

    source = prefect_source(settings, context.wiring.store, context.wiring.dispatch.clock)
    from dispatcher.prefect.standing import standing  # noqa: PLC0415 - after the check that httpx is installed

    try:
        return standing(source)
    finally:
        source.server.close()


def _shape(stand: Standing) -> dict[str, Any]:
    return {"url": stand.url, "version": stand.version, "work_pools": [asdict(pool) for pool in stand.pools]}


def _text(stand: Standing) -> str:
    lines = [f"Prefect {stand.version} at {stand.url}"]
    for pool in stand.pools:
        served = "is served" if pool.mirrored else "is served from the next tick on"
        lines.append(f"  {pool.name} ({pool.type}): {pool.problem or served}")
    return "\n".join([*lines, *([] if stand.pools else ["  No work pool of a push type."])])
