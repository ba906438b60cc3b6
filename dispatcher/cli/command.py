"""The base of all commands: a help text with an example, `--json`, and one answer that is printed as JSON or text.

Secrets are hidden here, once for all commands; `dispatcher.core.redaction` says which.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import click

from dispatcher.cli.context import Context
from dispatcher.cli.input.references import Reference


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """The answer of a command."""

    data: Any
    """Printed by `--json`; `dispatcher.cli.output.shapes` describes its shapes."""
    text: str = ""
    """The text for people, if one line is enough."""
    view: str = ""
    """Otherwise the name of the function in `dispatcher.cli.output.views` that shows `data`, or `module:function` for another
    module in `dispatcher.cli`. It is a name so that rich is imported only when needed."""
    secrets: frozenset[str] = frozenset()
    """Texts to hide everywhere in `data`: the values of variables that a template declares secret."""
    faults: tuple[str, ...] = ()
    """Problems in addition to the answer. Each is a line on standard error, and the exit code is 1."""
    exit_code: int = 0
    """The exit code without faults."""


HELP = {"help_option_names": ["-h", "--help"]}


class Careful(click.Command):
    """The common part of commands and groups: `-h`, and an error for an option that is repeated by mistake."""

    def __init__(self, *arguments: Any, **attributes: Any) -> None:
        attributes["context_settings"] = {**HELP, **(attributes.get("context_settings") or {})}
        super().__init__(*arguments, **attributes)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse as click does, but refuse a repeated option that takes one value."""
        if not ctx.resilient_parsing:
            _, _, order = self.make_parser(ctx).parse_args(args=list(args))
            for parameter, times in Counter(order).items():
                if times > 1 and isinstance(parameter, click.Option) and _takes_one(parameter):
                    name = "/".join([parameter.opts[-1], *parameter.secondary_opts])
                    words = f"{name} is given {times} times but takes one value; give it once."
                    raise click.BadOptionUsage(name, words, ctx)
        return super().parse_args(ctx, args)


def _takes_one(option: click.Option) -> bool:
    """Whether repeating the option is a mistake. Repeating a flag is not, unless the flag has an opposite."""
    return not (option.multiple or option.count or (option.is_flag and not option.secondary_opts))


class Command(Careful):
    """A command whose function returns an `Output`, or None if it has printed everything itself."""

    def __init__(self, *arguments: Any, example: str = "", **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self.example = example
        self.params.append(click.Option(["--json", "as_json"], is_flag=True, help="Print JSON instead of text and tables."))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """End the help with the example."""
        del ctx
        with formatter.section("Example"):
            for line in self.example.splitlines():
                formatter.write(f"  $ {line}\n")

    def invoke(self, ctx: click.Context) -> None:
        """Call the function and print its answer."""
        context = ctx.ensure_object(Context)
        context.as_json = ctx.params.pop("as_json")
        for parameter in self.params:
            if isinstance(parameter, Reference) and parameter.name:
                ctx.params[parameter.name] = parameter.resolve(context, ctx.params[parameter.name])
        answer = super().invoke(ctx)
        if answer is None:
            return
        if not context.show_secrets:
            answer = _discreet(answer)
        show(answer, as_json=context.as_json)
        for fault in answer.faults:
            click.echo(f"error: {fault}", err=True)
        if answer.faults or answer.exit_code:
            ctx.exit(1 if answer.faults else answer.exit_code)


def _discreet(answer: Output) -> Output:
    from dispatcher.core.redaction import redacted, without  # noqa: PLC0415 - help shows no values

    return replace(answer, data=redacted(without(answer.secrets, answer.data)))


class HelpfulGroup(Careful, click.Group):
    """A group that shows its help when it is called alone."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Show the help if there are no arguments."""
        if not args and not ctx.resilient_parsing:
            click.echo(ctx.get_help())
            ctx.exit()
        return super().parse_args(ctx, args)


class Group(HelpfulGroup):
    """A noun; its commands are `Command`s."""

    command_class = Command

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order in which they are defined."""
        del ctx
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List each command with the whole first sentence of its help."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, _first_sentence(command)) for name, command in self.commands.items()])


def _first_sentence(command: click.Command) -> str:
    return " ".join((command.help or "").split()).partition(". ")[0].rstrip(".") + "."


def show(answer: Output, *, as_json: bool) -> None:
    """Print an answer on standard output."""
    if as_json:
        utf8 = (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "") == "utf8"
        click.echo(json.dumps(answer.data, indent=2, ensure_ascii=not utf8))
    elif answer.view:
        module, _, name = answer.view.rpartition(":")
        getattr(import_module(f"dispatcher.cli.{module or 'output.views'}"), name)(answer.data)
    else:
        click.echo(answer.text)
