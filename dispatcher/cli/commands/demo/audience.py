"""Where pictures are shown: a terminal gets a live table, a pipe gets lines, `--json` gets only the summary."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from dispatcher.cli.commands.demo.picture import Picture, QueuePicture
from dispatcher.cli.commands.demo.play import Show

LINE_SECONDS = 1.0
"""The shortest time between two lines."""


@contextmanager
def audience(title: str, *, silent: bool) -> Iterator[Show]:
    """The function that shows pictures."""
    if silent:
        yield lambda _picture: None
    elif sys.stdout.isatty():
        from dispatcher.cli.commands.demo.views import live_demo  # noqa: PLC0415 - rich, only where there is a terminal

        with live_demo(title) as show:
            yield show
    else:
        click.echo(f"push-dispatcher on {title}. Each queue: waiting/running/ended.")
        yield Lines()


class Lines:
    """Progress as plain lines, at most one a second."""

    def __init__(self) -> None:
        self._last = ""
        self._next = 0.0

    def __call__(self, picture: Picture) -> None:
        """Print a line if something has changed and the last line is at least a second old."""
        words = "".join(_words(queue) for queue in picture.queues).rstrip()
        over = not any(queue.waiting or queue.running for queue in picture.queues)
        if words != self._last and (picture.seconds >= self._next or over):
            self._last, self._next = words, picture.seconds + LINE_SECONDS
            click.echo(f"{picture.seconds:5.1f} s  {picture.in_use} of {picture.limit} slots{words}")


def _words(queue: QueuePicture) -> str:
    numbers = f"{queue.waiting}/{queue.running}/{queue.succeeded + queue.failed}"
    return f"   {queue.name} {numbers:7}"
