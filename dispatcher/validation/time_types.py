"""Times and lengths of time in a configuration, as types that pydantic reads."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from dispatcher.validation.times import written_length


def _in_utc(moment: datetime) -> datetime:
    """The same time in UTC. A time without an offset is unchanged, and the check of its noun reports it."""
    try:
        return moment if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("lies outside the years 1 to 9999 in UTC") from None


LengthOfTime = Annotated[
    timedelta,
    BeforeValidator(written_length),
    WithJsonSchema(
        {
            "anyOf": [{"type": "number"}, {"type": "string", "pattern": "^(P|[0-9.]+ *[wdhms])"}],
            "description": "Seconds, or as 15m, 1h30m, 2 days or PT15M.",
        }
    ),
]
"""A length of time as people write it."""

Moment = Annotated[datetime, AfterValidator(_in_utc)]
"""A time with its offset as people write it; stored in UTC."""

WRITTEN = {timedelta: LengthOfTime, datetime: Moment}
"""The written type for each stored type that differs."""
