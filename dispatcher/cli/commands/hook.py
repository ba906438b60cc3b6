"""`dispatcher hook`: list hooks, and test whether a notification reaches them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

import click

from dispatcher.cli.command import Group, Output
from dispatcher.cli.context import Context, pass_context
from dispatcher.cli.input import completion
from dispatcher.cli.output.shapes import Shape
from dispatcher.cli.output.tables_option import wide_option
from dispatcher.core.notifications import trial
from dispatcher.delivery import NotDelivered
from dispatcher.environment.clock import SystemClock
from dispatcher.models import Deployment, WorkPool


@click.group(cls=Group)
def hook() -> None:
    """List hooks, and test whether a notification reaches them."""


@hook.command("ls", example="dispatcher hook ls")
@wide_option
@pass_context
def ls(context: Context, /) -> Output:
    """List the hooks of the settings, and the pools and deployments that name them.

    The hooks are those of DISPATCHER_HOOKS on this machine; a function has its own settings. A hook that is named and is not in
    the settings is listed too. Only the host of an address is shown, because the rest may be secret.
    """
    entries, pools, deployments = context.settings.hooks, context.client.work_pools(), context.client.deployments()
    nouns: list[WorkPool | Deployment] = [*pools, *deployments]
    named = {hook.name for noun in nouns for hook in noun.hooks}
    data = [
        {**_entry(name, entries.get(name)), "work_pools": _namers(name, pools), "deployments": _namers(name, deployments)}
        for name in sorted({*entries, *named})
    ]
    return Output(data=data, view="output.hook_views:hooks")


@hook.command("test", example="dispatcher hook test ops")
@click.argument("name", shell_complete=completion.hooks)
@pass_context
def test(context: Context, /, name: str) -> Output:
    """Send one notification of the type hook.test now, from this machine, with its settings.

    Exits with 1 if the hook does not confirm it.
    """
    from dispatcher.wiring import deliveries  # noqa: PLC0415 - `ls` and help need no channel

    clock = SystemClock()
    identity = clock.new_id()
    delivery = {"hook": name, "id": f"msg_{identity.hex}", "delivered": True, "problem": None}
    try:
        deliveries(context.settings)(name, identity, trial(name, clock.now()))
    except NotDelivered as problem:
        delivery |= {"delivered": False, "problem": str(problem)}
        return Output(data=delivery, text="Not delivered.", faults=(f"hook {name!r}: {problem}",))
    return Output(data=delivery, text=f"Hook {name!r} has taken the message {delivery['id']}.")


def _entry(name: str, entry: Mapping[str, Any] | None) -> Shape:
    if entry is None:
        return {"name": name, "kind": None, "to": None, "signed": False}
    if "topic_arn" in entry:
        return {"name": name, "kind": "topic", "to": entry["topic_arn"], "signed": False}
    host = urlsplit(entry["url"]).netloc.rpartition("@")[2]
    return {"name": name, "kind": "webhook", "to": host, "signed": "secret_variable" in entry}


def _namers(name: str, nouns: Iterable[WorkPool | Deployment]) -> list[str]:
    return [noun.name for noun in nouns if any(hook.name == name for hook in noun.hooks)]
