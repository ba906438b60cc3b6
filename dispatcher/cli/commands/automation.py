"""`dispatcher automation`: define rules that act when something happens, and see what they did."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from dispatcher.cli.command import Group, Output
from dispatcher.cli.context import Context, pass_context
from dispatcher.cli.input import completion
from dispatcher.cli.input.consent import consent, yes_option
from dispatcher.cli.output import secrets, shapes
from dispatcher.cli.output.tables_option import wide_option
from dispatcher.client.entries import AUTOMATION, read_fields
from dispatcher.errors import Fault, InvalidInput
from dispatcher.models import Automation

automation_argument = click.argument("name", shell_complete=completion.automations)

SHOWN = 20
"""How many of the last firings `inspect` shows by default."""

WHEN_HELP = "What it waits for, as in a configuration file: ended, late, held, not_ticked or longer."
THEN_HELP = "What it does, likewise: pause, resume, run, retry, cancel or notify. Repeat it for more, in their order."


@click.group(cls=Group)
def automation() -> None:
    """Define what is done when something happens, and see what was done."""


@automation.command(
    "create",
    example="dispatcher automation create breaker --when 'ended: {states: [FAILED, CRASHED], deployment: etl, count: 3}' "
    "--then 'pause: {deployment: etl}' --then 'notify: ops'\n"
    "dispatcher automation create report-after-etl --when 'ended: {states: [COMPLETED], deployment: etl}' "
    "--then 'run: {deployment: report}'",
)
@click.argument("name")
@click.option("--when", "when", required=True, metavar="YAML", help=WHEN_HELP)
@click.option("--then", "deeds", required=True, multiple=True, metavar="YAML", help=THEN_HELP)
@click.option("-d", "--description", default="", help="What it is for.")
@click.option("--paused", is_flag=True, help="Create it paused.")
@pass_context
def create(context: Context, /, name: str, *, when: str, deeds: Sequence[str], description: str, paused: bool) -> Output:
    """Create an automation. Ticks let it act; what happened before does not count."""
    entry = {"when": _yaml(when, "--when"), "then": [_yaml(deed, "--then") for deed in deeds]}
    fields = {**read_fields(AUTOMATION, entry), "description": description, "paused": paused}
    made = context.client.create_automation(name, **fields)
    return _changed(context, made, f"Created automation {name!r}.\nTry: dispatcher automation inspect {name}")


@automation.command("ls", example="dispatcher automation ls")
@wide_option
@pass_context
def ls(context: Context, /) -> Output:
    """List automations by name."""
    automations = context.client.automations()
    data = list(map(shapes.automation, automations))
    texts = secrets.of_automations(context, automations)
    return Output(data=data, view="output.automation_views:automations", secrets=texts)


@automation.command("inspect", example="dispatcher automation inspect breaker")
@automation_argument
@click.option("-l", "--limit", type=int, default=SHOWN, show_default=True, help="How many of the last firings.")
@secrets.show_option
@wide_option
@pass_context
def inspect(context: Context, /, name: str, *, limit: int) -> Output:
    """Show one automation: what it waits for, what it does, what it did last, and why."""
    record = context.client.automation(name)
    data = shapes.whole_automation(record, context.client.firings(name, limit=limit))
    return Output(data=data, view="output.automation_views:automation", secrets=secrets.of_automations(context, [record]))


@automation.command("pause", example="dispatcher automation pause breaker")
@automation_argument
@pass_context
def pause(context: Context, /, name: str) -> Output:
    """Pause an automation: it does nothing, and does not catch up later."""
    return _changed(context, context.client.pause_automation(name), f"Paused automation {name!r}.")


@automation.command("resume", example="dispatcher automation resume breaker")
@automation_argument
@pass_context
def resume(context: Context, /, name: str) -> Output:
    """Resume an automation from now on."""
    return _changed(context, context.client.resume_automation(name), f"Resumed automation {name!r}.")


@automation.command("delete", example="dispatcher automation delete breaker --yes")
@automation_argument
@yes_option
@pass_context
def delete(context: Context, /, name: str, *, yes: bool) -> Output:
    """Delete an automation. The effects of its actions and their records stay."""
    context.client.automation(name)
    consent(f"delete automation {name!r}", yes=yes)
    context.client.delete_automation(name)
    return Output(data={"deleted": name}, text=f"Deleted automation {name!r}.")


def _yaml(text: str, option: str) -> Any:
    """The value of an option, written as in a configuration file. Raises `InvalidInput`."""
    from dispatcher.cli.input import yaml_files  # noqa: PLC0415 - only `create` reads YAML

    value = yaml_files.read(text, option).value
    if not isinstance(value, dict):
        raise InvalidInput("automation", [Fault(option, f"must be one entry, as 'notify: ops' (got {text!r})")])
    return value


def _changed(context: Context, automation: Automation, text: str) -> Output:
    texts = secrets.of_automations(context, [automation])
    return Output(data=shapes.automation(automation), text=text, secrets=texts)
