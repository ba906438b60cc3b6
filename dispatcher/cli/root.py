"""The command `dispatcher` itself: global options, and the nouns, each imported when it is used."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from dispatcher import __version__
from dispatcher.cli.command import HelpfulGroup
from dispatcher.cli.context import Context
from dispatcher.cli.output.failures import exit_code_of

COMMANDS: Mapping[str, tuple[str, str]] = {
    "work-pool": ("work_pool:work_pool", "Create, change and inspect work pools."),
    "work-queue": ("work_queue:work_queue", "Create, change and inspect the work queues of a pool."),
    "deployment": ("deployment:deployment", "Define what runs where and when, and run it by name."),
    "deploy": ("deploy:deploy", "Deploy a Python function, with its parameters."),
    "automation": ("automation:automation", "Define what is done when something happens, and see what was done."),
    "run": ("run:run", "Create, list, explain, cancel and retry runs."),
    "hook": ("hook:hook", "List hooks, and test whether a notification reaches them."),
    "log": ("change_log:log", "Show who changed what, and when."),
    "plan": ("configuration:plan", "Show what a configuration file would change."),
    "apply": ("configuration:apply", "Change the stored configuration to what a file says."),
    "export": ("configuration:export", "Write the stored configuration to a file."),
    "import": ("importing:import_", "Write a prefect.yaml as a configuration file."),
    "init": ("init:init", "Write a first configuration file."),
    "schema": ("configuration:schema", "Show the JSON Schema of configuration files."),
    "tick": ("tick:tick", "Dispatch the due runs, once."),
    "store": ("store:store", "Migrate, copy and check the store."),
    "dev": ("dev:dev", "Tick every few seconds, with a live view."),
    "serve": ("serve:serve", "Tick until stopped, where no cloud's schedule does it."),
    "ui": ("ui:ui", "Open the page: see and change pools, queues and runs."),
    "prefect": ("prefect:prefect", "Serve the push work pools of a self-hosted Prefect server."),
    "doctor": ("doctor:doctor", "Check for problems that keep runs from starting."),
    "simulate": ("simulate:simulate", "Show how long past runs would have waited under other limits."),
    "demo": ("demo.command:demo", "Watch priorities and limits at work, in half a minute."),
    "emulator": ("emulator:emulator", "Run a local emulator of a cloud."),
    "package": ("package:package", "Build the zip of a cloud function, without Docker."),
    "version": ("version:version", "Show the versions of what is installed."),
}
"""The commands by name: each with its module in `commands` and its short help, so that listing commands imports none."""


class Root(HelpfulGroup):
    """The group of all commands. It turns every error into a line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order of the table."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(f"dispatcher.cli.commands.{module}"), name)
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Resolve as click does, but suggest the closest names for an unknown command."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches  # noqa: PLC0415 - only a typing error needs it

            near = get_close_matches(args[0], COMMANDS)
            hint = f" Did you mean {' or '.join(near)}?" if near else ""
            ctx.fail(f"No such command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def main(self, *arguments: Any, **options: Any) -> Any:
        """Run, and exit with a code of `dispatcher.cli.output.failures`."""
        standalone = options.pop("standalone_mode", True)
        context = Context()
        options |= {"obj": context, "standalone_mode": False}
        code = exit_code_of(lambda: self._run(*arguments, **options), verbose=lambda: context.verbose)
        if standalone:
            sys.exit(code)
        return code

    def _run(self, *arguments: Any, **options: Any) -> None:
        """Run the command. Here click returns the code of `ctx.exit` instead of raising it."""
        code = super().main(*arguments, **options)
        if isinstance(code, int) and code:
            raise click.exceptions.Exit(code)


@click.command(
    cls=Root,
    epilog="Settings are environment variables, DISPATCHER_STORE first among them. "
    "Exit codes: 0 done; 1 refused, or a problem; 2 the command line is wrong, or a plan has changes; 130 Ctrl-C.",
)
@click.option("--store", "store_url", metavar="URL", help="The address of the store, as sqlite:///file.db (DISPATCHER_STORE).")
@click.option("--verbose", is_flag=True, help="Log every decision as a line of JSON on standard error.")
@click.version_option(__version__, message="%(version)s")
@click.pass_context
def root(ctx: click.Context, store_url: str | None, *, verbose: bool) -> None:
    """Push work pools without workers: dispatch runs to processes, AWS ECS, Google Cloud Run, Azure or Modal."""
    context = ctx.ensure_object(Context)
    context.store_url, context.verbose = store_url, verbose
    ctx.call_on_close(context.close)
    ctx.call_on_close(context.start_logging())
