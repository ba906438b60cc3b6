"""Options that take a length of time: a number of seconds, `5m`, `1h30m`, or ISO 8601."""

from __future__ import annotations

from typing import Any

import click

from dispatcher.client import length_of_time
from dispatcher.errors import InvalidInput

RULE = "a number of seconds, or a length of time, as 15m, 1h30m or PT15M"


class Length(click.FloatRange):
    """The type of such an option; the command gets seconds. The least and the most values are seconds too, both included."""

    name = "length"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The seconds of a text. Fails as click's own types do."""
        try:
            seconds = length_of_time(value, "").total_seconds() if isinstance(value, str) else value
        except InvalidInput:
            self.fail(f"{value!r} is not {RULE}.", param, ctx)
        return super().convert(seconds, param, ctx)
