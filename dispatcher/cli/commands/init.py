"""`dispatcher init`: a commented first configuration, made from the base job template of a provider."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import click

from dispatcher.cli.command import Command, Output
from dispatcher.cli.input import configuration_file, yaml_files
from dispatcher.client import default_base_job_template

if TYPE_CHECKING:
    from dispatcher.cli.terraform.writing import RootModule

WIDTH = 110
FIRST_POOL = "my-pool"
A_DIRECTORY = click.Path(path_type=Path, file_okay=False)

FIRST_VARIABLES: Mapping[str, Mapping[str, Any]] = {
    "process": {"command": "echo hello"},
    "docker": {"image": "docker.io/library/busybox:1", "command": "echo hello"},
    "kubernetes": {"image": "docker.io/library/busybox:1", "command": "echo hello"},
    "ecs": {"image": "public.ecr.aws/docker/library/busybox", "command": "echo hello"},
    "cloud-run": {"image": "docker.io/library/busybox", "command": "echo hello"},
    "cloud-run-v2": {"image": "docker.io/library/busybox", "command": "echo hello"},
    "azure-container-instance": {
        "image": "docker.io/library/busybox",
        "command": "echo hello",
        "subscription_id": "00000000-0000-0000-0000-000000000000",
        "resource_group_name": "my-resource-group",
    },
    "modal": {"command": "echo hello"},
    "managed": {"command": "echo hello"},
    "prefect:managed": {"command": "echo hello"},
    "vertex-ai": {"image": "docker.io/library/busybox", "command": "echo hello", "region": "us-central1"},
}
"""A first deployment for each type, for worker types and push types. Values that only the user knows are easy to find."""

HEAD = """\
# Work pools, their queues, and deployments, as `dispatcher apply` makes them to be.
#
#   dispatcher plan -f {file}      what this would change (exit code 2 when it changes something)
#   dispatcher apply -f {file}     change it: all, or nothing
#
# What is left out takes its default; pauses stay as they are, and so does what this file does not name.

pools:
  my-pool:
    type: {type}
    concurrency_limit: 10        # runs at once; 0 means never, left out means unlimited
    # description: What it is for.
    # paused: true               # delivers nothing; left out, a pause stays as it is
    # base_job_template: my-pool.json    # a file, or inline; left out: the template of the type
    queues:                      # served strictly by priority, 1 first
      critical:
        priority: 1
        concurrency_limit: 2
      default:
        priority: 2
    # hooks:                     # hooks that are notified of its runs: names of entries of the setting DISPATCHER_HOOKS
    #   ops:
    #     states: [FAILED, CRASHED]    # or COMPLETED, CANCELLED; left out: these two
    #     late_after: PT15M      # and of those that wait 15 minutes beyond their time (or 900: seconds)

deployments:
  hello:
    pool: my-pool
    queue: default
    tags: [example]
    # schedules:                 # runs made by themselves, each window once; any number, by a name of your own
    #   mornings:
    #     cron: 30 6 * * 1-5     # or interval: 900 (seconds, or 15m), or rrule: FREQ=WEEKLY;BYDAY=MO
    #     timezone: Europe/Paris
    #     catch_up: last         # of the windows that were missed: none, last, all or drop
    # retry:
    #   attempts: 3              # in all
    #   delay: 60                # seconds, or 1m
    #   backoff: 2               # each delay is twice as long as the one before
    #   states: [FAILED]           # FAILED, CRASHED; left out: both
    # hooks:                     # hooks that are notified of its runs, beside those of the pool
    #   team: {{}}
    job_variables:               # laid over the template's defaults, and under those of a run
"""


@click.command(
    cls=Command,
    example="dispatcher init --type ecs:push\ndispatcher init --infrastructure aws\ndispatcher init --python",
)
@click.option("-t", "--type", "pool_type", metavar="TYPE", help="The provider: process, ecs:push, cloud-run-v2:push, ...")
@click.option(
    "--infrastructure",
    "cloud",
    type=click.Choice(["aws", "gcp", "azure", "serverless"]),
    help="Write a Terraform root module instead, with a first pool in that cloud and its dispatcher; or serverless.yml.",
)
@click.option(
    "--python",
    "is_python",
    is_flag=True,
    help="Write a Python function instead, with the Dockerfile of its image.",
)
@click.option(
    "-o",
    "--output",
    type=A_DIRECTORY,
    metavar="DIR",
    help="Where to write that: by default infrastructure; for --python, etl.",
)
@click.option("-f", "--file", "target", metavar="FILE", default="dispatcher.yaml", show_default=True, help="Where to write it.")
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
def init(pool_type: str | None, cloud: str | None, output: Path | None, target: str, *, is_python: bool, force: bool) -> Output:
    """Write a commented first configuration for a provider, and its JSON Schema beside it."""
    if [pool_type is not None, cloud is not None, is_python].count(True) != 1:
        words = "Give --type for a configuration, --infrastructure for a Terraform root module, or --python for a function."
        raise click.UsageError(words)
    if is_python:
        return _python(output or Path("etl"), force=force)
    if cloud is not None:
        write = _serverless if cloud == "serverless" else partial(_infrastructure, cloud)
        return write(output or Path("infrastructure"), force=force)
    files = configuration_file.write_new(Path(target), starter(str(pool_type), target), force=force)
    text = f"Wrote {' and '.join(files)}.\nTry: dispatcher plan -f {target}"
    return Output(data={"files": files, "type": pool_type}, text=text)


def _infrastructure(cloud: str, directory: Path, *, force: bool) -> Output:
    """Write a root module for a pool that is not stored yet. It works in an installed package and in a clone."""
    from dispatcher.cli.terraform import writing  # noqa: PLC0415 - of no use to a configuration

    module = writing.root_module(FIRST_POOL, writing.FIRST_TYPES[cloud], is_stored=False)
    return _written(module, directory, {"pool": FIRST_POOL, "type": writing.FIRST_TYPES[cloud]}, force=force)


def _serverless(directory: Path, *, force: bool) -> Output:
    """Write the service of the Serverless Framework, likewise."""
    from dispatcher.cli import serverless  # noqa: PLC0415 - likewise

    return _written(serverless.service(), directory, {}, force=force)


def _python(directory: Path, *, force: bool) -> Output:
    """Write an example of a function, likewise."""
    from dispatcher.cli import python_example  # noqa: PLC0415 - likewise

    return _written(python_example.example(), directory, {}, force=force)


def _written(module: RootModule, directory: Path, data: Mapping[str, Any], *, force: bool) -> Output:
    """Write the files, and print the next steps."""
    from dispatcher.cli.terraform import writing  # noqa: PLC0415 - likewise

    files = writing.write(module, directory, force=force)
    steps = [f"cd {shlex.quote(str(directory))}", *module.steps]
    count = "1 file" if len(files) == 1 else f"{len(files)} files"
    lines = [f"Wrote {count} to {directory}; {module.page} explains them.", "Next:", *(f"  {step}" for step in steps)]
    return Output(data={**data, "directory": str(directory), "files": files, "next": steps}, text="\n".join(lines))


def starter(pool_type: str, file: str) -> str:
    """The text of a first configuration. Raises `InvalidInput` for a type that no provider serves."""
    variables = default_base_job_template(pool_type)["variables"].get("properties", {})
    first = {name: value for name, value in FIRST_VARIABLES[pool_type.removesuffix(":push")].items() if name in variables}
    lines = yaml_files.write(first).splitlines()
    for name, schema in variables.items():
        if name not in first and schema.get("description"):
            lines += _offered(name, schema)
    head = HEAD.format(file=file, type=yaml_files.write(pool_type).split("\n")[0])
    return configuration_file.EDITOR_LINE + head + "".join(f"      {line}\n" for line in lines)


def _offered(name: str, schema: Mapping[str, Any]) -> Iterator[str]:
    """An optional variable as comments, with its description and its default."""
    yield from (f"# {line}" for line in wrap(" ".join(schema["description"].split()), WIDTH))
    default = yaml_files.write({name: schema["default"]}).splitlines() if "default" in schema else [f"{name}:"]
    yield from (f"# {line}" for line in default)
