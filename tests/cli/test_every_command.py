"""What holds for every command, found by walking the tree."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from dispatcher.cli.command import Command
from dispatcher.cli.root import COMMANDS, root


def walk(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=path[-1] if path else "dispatcher")
        for name in command.list_commands(context):
            subcommand = command.get_command(context, name)
            assert subcommand is not None
            yield from walk(subcommand, (*path, name))
    else:
        yield path, command


EVERY = dict(walk(root))
ROOT, PAGE = Path(__file__).parents[2], "dispatcher/cli/README.md"
EXPECTED = """
    work-pool create, work-pool update, work-pool ls, work-pool inspect, work-pool pause, work-pool resume, work-pool delete,
    work-pool set-concurrency-limit, work-pool clear-concurrency-limit, work-pool get-default-base-job-template,
    work-pool sweep, work-pool preview, work-pool provision-infrastructure,
    work-queue create, work-queue ls, work-queue inspect, work-queue pause, work-queue resume, work-queue set-priority,
    work-queue set-concurrency-limit, work-queue clear-concurrency-limit, work-queue set-weight, work-queue delete,
    work-queue set-share,
    deployment create, deployment update, deployment ls, deployment inspect, deployment run, deployment delete,
    deployment pause, deployment resume, deployment schedule create, deployment schedule ls, deployment schedule pause,
    deployment schedule resume, deployment schedule delete, deployment schedule clear,
    automation create, automation ls, automation inspect, automation pause, automation resume, automation delete,
    deploy, run create, run ls, run inspect, run move, run start-now, run cancel, run retry, run explain, run watch, run logs,
    hook ls, hook test, log, plan, apply, export, import, init, schema, tick,
    store migrate, store copy, store check, dev, doctor, simulate, demo, emulator, package, version
"""


def test_the_commands_are_those_that_are_promised():
    assert {" ".join(path) for path in EVERY} >= {name.strip() for name in EXPECTED.split(",")}


@pytest.mark.parametrize("path", EVERY, ids=" ".join)
def test_every_command_has_help_an_example_and_json(path, cli):
    said = cli(*path, "--help")
    assert said.exit_code == 0
    assert "--json" in said.out
    assert cli(*path, "-h").out == said.out
    assert f"  $ dispatcher {' '.join(path)}" in said.out
    command = EVERY[path]
    assert (command.help or "").strip().endswith((".", "slots."))


@pytest.mark.parametrize("path", EVERY, ids=" ".join)
def test_every_option_and_argument_is_explained(path):
    for parameter in EVERY[path].params:
        assert isinstance(parameter, click.Argument) or getattr(parameter, "help", None), parameter.name


@pytest.mark.parametrize("path", EVERY, ids=" ".join)
def test_every_example_is_a_command_line_that_parses(path):
    command = EVERY[path]
    assert isinstance(command, Command)
    for line in command.example.splitlines():
        words = shlex.split(line)
        assert words[: len(path) + 1] == ["dispatcher", *path]
        command.make_context(path[-1], words[len(path) + 1 :])


def test_the_readme_links_to_the_page_of_all_commands():
    assert f"({PAGE})" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", EVERY, ids=" ".join)
def test_every_command_is_on_the_page(path):
    assert f"| `{' '.join(path)}` | " in (ROOT / PAGE).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", COMMANDS)
def test_the_short_help_is_there_without_an_import(name, cli):
    command = root.get_command(click.Context(root), name)
    assert command is not None
    assert COMMANDS[name][1] in cli("--help").out.replace("\n              ", " ")
    assert COMMANDS[name][1].endswith(".")


@pytest.mark.parametrize(
    "group",
    [(), ("work-pool",), ("work-queue",), ("deployment",), ("deployment", "schedule"), ("run",), ("hook",)],
    ids=" ".join,
)
def test_a_group_alone_shows_its_help(group, cli):
    said = cli(*group)
    assert (said.exit_code, said.errors) == (0, ())
    assert said.out == cli(*group, "--help").out
