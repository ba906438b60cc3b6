"""A minimal function runtime for the demo: `python -m dispatcher.cli.commands.demo.runtime MODULE.HANDLER`.

Each line of standard input is an event with its timeout, `{"event": {...}, "seconds": 60}`. Each line of standard output is an
answer, `{"answer": ...}` or `{"error": "..."}`. The handler is imported by its name, as a platform does. Its own output and its
log go to standard error.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, TextIO
from uuid import uuid4

from dispatcher.ticking.seam import attempted

Handler = Callable[[Any, Any], Any]


@dataclass
class DemoContext:
    """The context object that AWS Lambda passes with the event."""

    seconds: float
    function_name: str = "push-dispatcher"
    memory_limit_in_mb: int = 512
    aws_request_id: str = field(default_factory=lambda: str(uuid4()))
    begun: float = field(default_factory=time.monotonic)

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until a real runtime would end the invocation."""
        return max(0, int(1000 * (self.seconds - (time.monotonic() - self.begun))))


def main(name: str) -> None:
    """Answer events until standard input ends."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    logging.basicConfig(stream=sys.stderr, format="%(message)s")
    module, _, attribute = name.rpartition(".")
    handler: Handler = getattr(import_module(module), attribute)
    for line in sys.stdin:
        _answer(handler, json.loads(line), answers)


def _answer(handler: Handler, request: dict[str, Any], answers: TextIO) -> None:
    """Answer one event. Like a real runtime, it reports any error of its handler and continues with the next event."""
    answer = attempted(
        lambda: {"answer": handler(request["event"], DemoContext(request["seconds"]))},
        lambda problem: {"error": f"{type(problem).__name__}: {problem}"},
    )
    print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
