"""Eight processes tick the same pools while they are killed at random and the store is disturbed under them.

The full size is run by hand: `python -m tests.stores.races`. So is every size on DynamoDB, whose emulator is slow for eight
processes: `python -m tests.stores.dynamodb.race`.
"""

import pytest

from tests.stores.races import LIMITED, POOL_LIMIT, POOLS, QUEUE_LIMIT, Figures, Race, on_postgres


@pytest.mark.long
def test_no_promise_is_broken_by_kills_and_by_restarts_of_postgresql_and_cut_connections():
    race = Race(runs=120, kill_after=25, disturb_after=20, lost_answers=0.02, job_seconds=0.5)
    figures, problems = on_postgres(race)
    assert not figures.broken, (figures, problems)
    assert figures.kills >= 3, figures
    assert figures.disturbances >= 4, "each kind"
    the_limits_were_used(figures)


def the_limits_were_used(figures: Figures) -> None:
    limits = dict.fromkeys(POOLS, POOL_LIMIT) | {f"{pool}/{LIMITED}": QUEUE_LIMIT for pool in POOLS}
    assert figures.peaks.keys() == limits.keys()
    assert all(0 < peak <= limits[place] for place, peak in figures.peaks.items()), figures
