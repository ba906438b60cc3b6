"""`dispatcher plan`, `apply`, `export` and `schema`: the whole configuration as one file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from dispatcher.cli.command import Command, Output
from dispatcher.cli.context import Context, pass_context
from dispatcher.cli.input import configuration_file
from dispatcher.cli.input.consent import consent, yes_option
from dispatcher.cli.input.yaml_files import Document
from dispatcher.cli.output import secrets, shapes
from dispatcher.client import Plan, configuration_schema
from dispatcher.core.changes import Action
from dispatcher.core.redaction import redacted, without
from dispatcher.errors import InvalidInput

Function = TypeVar("Function", bound=Callable[..., Any])

CHANGES = 2
"""The exit code of a plan that changes something."""


def file_options(function: Function) -> Function:
    """`--file`, `--overlay`, `--var` and `--prune`, for `plan` and `apply`."""
    words = "Take over what the files name and another owner has, or nobody."
    function = click.option("--take-over", is_flag=True, help=words)(function)
    prune = "Delete the pools, deployments and automations that the files do not name; with an `owner`, those that it has."
    function = click.option("--prune", is_flag=True, help=prune)(function)
    words = "The value of a variable that a file declares under `variables`: `${NAME}` in its values. Repeat it for more."
    function = click.option("--var", "assignments", multiple=True, metavar="NAME=VALUE", help=words)(function)
    words = (
        "Change the configuration by this file or directory: mappings merge, lists and values replace, null removes. Repeat it."
    )
    function = click.option("--overlay", "overlays", multiple=True, metavar="FILE", help=words)(function)
    words = (
        "The configuration, as YAML or JSON: a file, a directory of YAML files, or - for standard input. Repeat it for more; "
    )
    words += f"together they are one configuration. The default is {configuration_file.DEFAULT}."
    return click.option("-f", "--file", "sources", multiple=True, metavar="FILE", help=words)(function)


@click.command(
    cls=Command,
    example="dispatcher plan\ndispatcher plan -f pools.yaml -f deployments/ --prune --json\n"
    "dispatcher plan --overlay production.yaml --var IMAGE_TAG=1.4.2 --format markdown",
)
@file_options
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "markdown", "json"]),
    default="text",
    help="text; markdown for a pull request's comment; or json, which is --json.",
)
@secrets.show_option
@pass_context
def plan(
    context: Context,
    /,
    sources: Sequence[str],
    overlays: Sequence[str],
    assignments: Sequence[str],
    form: str,
    **switches: bool,
) -> Output:
    """Show what a configuration file would change, and the hash of the stored configuration. It changes nothing.

    Exit codes: 0 nothing to change, 2 changes, 1 the file has faults, each with its line.
    """
    plan = _plan(context, sources, overlays, assignments, switches)
    exit_code = CHANGES if plan.changes else 0
    context.as_json = context.as_json or form == "json"
    view = "output.markdown:show_plan" if form == "markdown" else "output.plan_views:plan"
    return Output(data=shapes.plan(plan, applied=False), view=view, secrets=_secrets(plan), exit_code=exit_code)


@click.command(cls=Command, example="dispatcher apply\ndispatcher apply -f dispatcher.yaml --expect 4f53cda18c2baa0c")
@file_options
@click.option("--expect", metavar="HASH", help="Refuse unless the stored configuration has this hash, which `plan` prints.")
@yes_option
@secrets.show_option
@pass_context
def apply(
    context: Context,
    /,
    sources: Sequence[str],
    overlays: Sequence[str],
    assignments: Sequence[str],
    expect: str | None,
    *,
    yes: bool,
    **switches: bool,
) -> Output:
    """Change the stored configuration to what a file says: all of it, or nothing.

    A field that the file leaves out gets its default, and a queue that the file leaves out of its pool is deleted. A pause
    stays if the file does not mention it. What the file does not name stays, unless --prune is given.
    """
    plan = _plan(context, sources, overlays, assignments, switches)
    gone = [change for change in plan.changes if change.action is Action.DELETE]
    if gone:
        names = ", ".join(f"{change.noun} {change.name!r}" for change in gone)
        consent(f"delete {names}, with all ended runs of the pools", yes=yes)
    applied = context.client.apply(plan, expect=expect)
    return Output(data=shapes.plan(applied, applied=True), view="output.plan_views:plan", secrets=_secrets(plan))


@click.command(cls=Command, example="dispatcher export\ndispatcher export -f dispatcher.yaml")
@click.option("-f", "--file", "target", metavar="FILE", help="Write to this file, and the JSON Schema beside it.")
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@click.option("--owner", metavar="NAME", help="Only what this owner has.")
@secrets.show_option
@pass_context
def export(context: Context, /, target: str | None, *, owner: str | None, force: bool) -> Output:
    """Write the stored configuration to a file, without values that are the default.

    Secrets are written as (hidden), which plan and apply refuse; --show-secrets writes their values.
    """
    value, client = context.client.export(owner=owner), context.client
    if not context.show_secrets:
        value = redacted(
            without(secrets.of_pools(client.work_pools(), client.deployments(), automations=client.automations()), value)
        )
    text = configuration_file.text_of(value)
    if target is None:
        return Output(data=value, text=text.rstrip("\n"))
    files = configuration_file.write_new(Path(target), text, force=force)
    return Output(data={"files": files}, text=f"Wrote {' and '.join(files)}.")


@click.command(cls=Command, example="dispatcher schema\ndispatcher schema -f dispatcher.schema.json")
@click.option("-f", "--file", "target", metavar="FILE", help="Write to this file instead of showing it.")
def schema(target: str | None) -> Output:
    """Show the JSON Schema of configuration files, for completion and checks in an editor."""
    schema = configuration_schema()
    if target is None:
        return Output(data=schema, text=json.dumps(schema, indent=2))
    configuration_file.write_schema(Path(target))
    return Output(data={"file": target}, text=f"Wrote the JSON Schema to {target}.")


def _plan(
    context: Context,
    sources: Sequence[str],
    overlays: Sequence[str],
    assignments: Sequence[str],
    switches: Mapping[str, bool],
) -> Plan:
    document = configuration_file.read(sources, overlays=overlays, assignments=assignments)
    with located(document):
        return context.client.plan(document.value, **switches)


def _secrets(plan: Plan) -> frozenset[str]:
    sides = (plan.stored, plan.target)
    return frozenset().union(*(secrets.of_pools(side.pools, side.deployments) for side in sides))


@contextmanager
def located(document: Document) -> Iterator[None]:
    """Add file and line to the faults of a configuration."""
    try:
        yield
    except InvalidInput as problem:
        raise configuration_file.with_places(problem, document) from None
