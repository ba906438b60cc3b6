"""A progress bar on standard error, if that is a terminal and the output is not JSON."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from dispatcher.cli.context import Context

LEAST = 1_000
"""No bar for fewer steps: they end before anybody could read it."""


@contextmanager
def progress_bar(context: Context, label: str, length: int) -> Iterator[Callable[[], None]]:
    """A bar of `length` steps. It yields a function to call after each step."""
    if length < LEAST or context.as_json or not sys.stderr.isatty():
        yield lambda: None
        return
    with click.progressbar(length=length, label=label, file=sys.stderr, update_min_steps=max(1, length // 100)) as bar:
        yield lambda: bar.update(1)
