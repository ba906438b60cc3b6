"""Eight processes tick the same pools while they are killed at random and the store is disturbed under them.

The full size is run by hand: `python -m tests.stores.races`.
"""

from tests.stores.postgres_server import server
from tests.stores.races import LIMITED, POOL_LIMIT, POOLS, QUEUE_LIMIT, Race, restarting, run


def test_no_promise_is_broken_by_kills_and_by_restarts_of_postgresql():
    started = server()
    race = Race(runs=120, kill_after=30, disturb_after=40, lost_answers=0.02, job_seconds=0.5)
    figures, problems = run(race, started.url(started.fresh_database()), restarting(started.restart))
    assert not figures.broken, (figures, problems)
    assert figures.kills >= 3, figures
    assert figures.disturbances >= 2, figures
    limits = dict.fromkeys(POOLS, POOL_LIMIT) | {f"{pool}/{LIMITED}": QUEUE_LIMIT for pool in POOLS}
    assert figures.peaks.keys() == limits.keys()
    assert all(0 < peak <= limits[place] for place, peak in figures.peaks.items()), figures
