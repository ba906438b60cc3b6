"""`dispatcher import`: a project's `prefect.yaml` as a configuration file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import click

from dispatcher.cli.command import Command, Output
from dispatcher.cli.context import Context, pass_context
from dispatcher.cli.input import configuration_file, yaml_files
from dispatcher.client import default_base_job_template
from dispatcher.core.written import without_words
from dispatcher.environment.settings import Settings
from dispatcher.errors import Fault, InvalidInput

if TYPE_CHECKING:
    from dispatcher.prefect.project import Imported

WIDTH = 110


@click.command(
    "import",
    cls=Command,
    example="dispatcher import prefect.yaml --type ecs:push\n"
    "dispatcher import prefect.yaml --type nightly=ecs:push --type batch=cloud-run-v2:push\n"
    "dispatcher import prefect.yaml --api-url http://prefect.internal:4200/api",
)
@click.argument("source", metavar="FILE")
@click.option(
    "-t",
    "--type",
    "types",
    multiple=True,
    metavar="TYPE",
    help="The type of all work pools, or NAME=TYPE for one: a prefect.yaml only names them. Repeat it for more.",
)
@click.option(
    "--api-url", metavar="URL", help="Read the work pools with their templates, limits and queues from this Prefect server."
)
@click.option("-f", "--file", "target", metavar="FILE", default="dispatcher.yaml", show_default=True, help="Where to write it.")
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@pass_context
def import_(context: Context, /, source: str, types: Sequence[str], api_url: str | None, target: str, *, force: bool) -> Output:
    """Write the deployments, work pools and schedules of a prefect.yaml as a configuration file.

    It lists what has no counterpart here. Values that Prefect looks up become variables of the file, which --var gives.
    """
    from dispatcher.prefect.project import imported, pools_named  # noqa: PLC0415 - of no use to help

    project = without_words(yaml_files.read(_text(Path(source)), source).value)
    names = pools_named(project)
    shown = _shown(context, api_url, names) if api_url else {}
    result = imported(project, {**shown, **_typed(types, names)})
    files = configuration_file.write_new(Path(target), text_of(result, source), force=force)
    left_out = [{"path": fault.path, "message": fault.message} for fault in result.left_out]
    return Output(data={"files": files, "left_out": left_out}, text="\n".join(_lines(result, files, target)))


def text_of(result: Imported, source: str) -> str:
    """The file, with comments at its top on everything that could not be imported."""
    editor, _, rest = configuration_file.text_of(result.configuration).partition("\n")
    lines = [f"# From {source}, by `dispatcher import`."]
    lines += ["#", "# Not in this file:"] if result.left_out else []
    for fault in result.left_out:
        first, *more = wrap(str(fault), WIDTH)
        lines += [f"#   {first}", *(f"#     {line}" for line in more)]
    return "\n".join([editor, *lines, rest])


def _lines(result: Imported, files: Sequence[str], target: str) -> list[str]:
    lines = [f"Wrote {' and '.join(files)}."]
    lines += ["Without a counterpart here:", *(f"  {fault}" for fault in result.left_out)] if result.left_out else []
    variables = "".join(f" --var {name}=VALUE" for name in result.configuration.get("variables", ()))
    return [*lines, f"Try: dispatcher plan -f {target}{variables}"]


def _typed(types: Sequence[str], names: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """The pools and their types from the command line; a type without a name applies to all other pools."""
    typed: dict[str, Mapping[str, Any]] = {}
    for word in sorted(types, key=lambda word: "=" in word):
        name, equals, pool_type = word.rpartition("=")
        default_base_job_template(pool_type)  # raises InvalidInput for a type that nothing serves
        if equals and name not in names:
            raise InvalidInput("request", [Fault("--type", f"no deployment names the work pool {name!r}")])
        typed |= {named: {"type": pool_type} for named in ([name] if equals else names)}
    return typed


def _shown(context: Context, url: str, names: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """The work pools on the server. Raises `SettingsError` or `SourceError`."""
    from dispatcher.wiring import prefect_source  # noqa: PLC0415 - help needs no server

    checked = Settings.from_environment({"DISPATCHER_PREFECT_API_URL": url})
    settings = replace(context.settings, prefect_api_url=checked.prefect_api_url)
    server = prefect_source(settings, context.wiring.store, context.wiring.dispatch.clock).server
    try:
        return {str(pool["name"]): {**pool, "queues": server.queues(str(pool["name"]))} for pool in server.pools((), names)}
    finally:
        server.close()


def _text(path: Path) -> str:
    try:
        return yaml_files.read_file(path)
    except OSError as problem:
        raise InvalidInput("file", [Fault(str(path), f"{problem.strerror}; name a prefect.yaml")]) from None
