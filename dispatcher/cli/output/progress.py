"""A progress bar, or a growing number, on standard error, if that is a terminal and the output is not JSON."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

import click

from dispatcher.cli.context import Context

LEAST = 1_000
"""Fewer steps get no bar, because they end before anybody could read it."""


class Advance(Protocol):
    """Moves a bar on."""

    def __call__(self, steps: int = 1) -> None:
        """Move on by this number of steps."""
        ...


@contextmanager
def progress_bar(context: Context, label: str, length: int) -> Iterator[Advance]:
    """A bar of `length` steps. It yields a function to call after each step, or with the number of several."""
    if length < LEAST or context.as_json or not sys.stderr.isatty():
        yield lambda steps=1: None  # noqa: ARG005 - as `Advance` says
        return
    with click.progressbar(length=length, label=label, file=sys.stderr, update_min_steps=max(1, length // 100)) as bar:
        yield lambda steps=1: bar.update(steps)


@contextmanager
def running_number(context: Context, label: str) -> Iterator[Callable[[int], None]]:
    """A line on standard error with a number that grows, likewise. It yields a function that shows the number."""
    if context.as_json or not sys.stderr.isatty():
        yield lambda _number: None
        return
    try:
        yield lambda number: click.echo(f"\r{label}: {number:,} ...", nl=False, err=True)
    finally:
        click.echo("\r\033[K", nl=False, err=True)
