"""How far a command has come: a bar on standard error, where that is a terminal and nobody asked for JSON."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from dispatcher.cli.context import Context

LEAST = 1_000
"""Fewer steps than that are over before anybody has read the bar."""


@contextmanager
def progress_bar(context: Context, label: str, length: int) -> Iterator[Callable[[], None]]:
    """A bar of `length` steps; what it yields is called after each."""
    if length < LEAST or context.as_json or not sys.stderr.isatty():
        yield lambda: None
        return
    with click.progressbar(length=length, label=label, file=sys.stderr, update_min_steps=max(1, length // 100)) as bar:
        yield lambda: bar.update(1)
