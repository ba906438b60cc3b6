"""`--hook` and `--no-hooks`, which pools and deployments share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

from dispatcher.cli.input import completion
from dispatcher.client import length_of_time
from dispatcher.errors import Fault, InvalidInput
from dispatcher.models import TERMINAL_STATES, Hook, RunState

Function = TypeVar("Function", bound=Callable[..., Any])

LATE = "LATE:"
"""The prefix for late runs; a length of time follows."""


def hook_option(function: Function) -> Function:
    """`--hook`."""
    words = (
        "Notify this entry of DISPATCHER_HOOKS of runs that end FAILED or CRASHED, or of other states. LATE:600 notifies of "
        "runs that still wait 600 s (or PT10M) after they are due, as ops=FAILED,LATE:600. Repeat it for more."
    )
    return click.option("--hook", "hooks", multiple=True, metavar="NAME[=STATES]", shell_complete=completion.hooks, help=words)(
        function
    )


def no_hooks_option(function: Function) -> Function:
    """`--no-hooks`."""
    return click.option("--no-hooks", is_flag=True, help="Remove all hooks.")(function)


def hooks_of_options(texts: Iterable[str]) -> list[Hook]:
    """The hooks of `--hook`. Raises `InvalidInput`; validation checks later whether they fit together."""
    return [_hook(text) for text in texts]


def hooks_changed(texts: Iterable[str], *, none: bool) -> list[Hook] | None:
    """The hooks of an update: an empty list for `--no-hooks`, None without an option. Raises `InvalidInput`."""
    hooks = hooks_of_options(texts)
    if hooks and none:
        raise InvalidInput("hook", [Fault("options", "--hook and --no-hooks exclude each other; give one")])
    return hooks if hooks or none else None


def _hook(text: str) -> Hook:
    """`ops`, `ops=FAILED,CRASHED`, `pager=LATE:600`."""
    name, equals, occasions = text.partition("=")
    if not equals:
        return Hook(name=name)
    words = [word.strip().upper() for word in occasions.split(",")]
    lengths = [word.removeprefix(LATE) for word in words if word.startswith(LATE)]
    ends = [word for word in words if not word.startswith(LATE)]
    if len(lengths) > 1 or not TERMINAL_STATES.issuperset(ends):
        states = ", ".join(state for state in RunState if state in TERMINAL_STATES)
        rule = f"after = must stand {states}, once LATE:600 (seconds, or PT10M), or several with commas"
        raise InvalidInput("hook", [Fault("hook", f"{text!r}: {rule}")])
    late_after = length_of_time(lengths[0], "hook") if lengths else None
    return Hook(name=name, states=frozenset(map(RunState, ends)), late_after=late_after)
