"""How long a claim stands still after the invocation that made it is gone."""

from __future__ import annotations

import pytest

from dispatcher.ticking import TickLimits
from tests.builders import MINUTE, NOW, SECOND
from tests.tick.stage import LEASE, LIMITS, Stage

SKEW = TickLimits().clock_skew


class Killed(BaseException):
    """The platform ends the process."""


def killed_while_it_submits(stage, **arguments):
    """One run, claimed by an invocation that is killed during the call."""
    [run] = stage.add()
    submit = stage.provider.submit

    def killed(_job):
        raise Killed

    stage.provider.submit = killed
    with pytest.raises(Killed):
        stage.tick(**arguments)
    stage.provider.submit = submit
    return stage.get(run)


def test_a_lease_ends_as_soon_as_its_invocation_has_certainly_ended():
    stage = Stage()
    run = killed_while_it_submits(stage, lasts=20 * SECOND)
    last_call, hidden = LIMITS.call_timeout * SECOND, LIMITS.lookup_lag * SECOND
    assert run.lease_until == NOW + 20 * SECOND + last_call + SKEW + hidden


def test_a_claim_is_taken_over_when_its_invocation_has_certainly_ended_and_no_earlier():
    stage = Stage()
    run = killed_while_it_submits(stage)
    stage.wait(LEASE - SECOND)
    assert stage.tick_pool().taken_over == 0
    stage.wait(SECOND)
    assert stage.tick_pool().taken_over == 1
    assert stage.get(run).submission is not None


def test_a_claim_late_in_a_tick_stands_still_for_less():
    stage = Stage(concurrency=1)
    first, second = stage.add(2)
    submit = stage.provider.submit

    def slow_and_then_killed(job):
        if stage.provider.live:
            raise Killed
        stage.wait(40 * SECOND)
        return submit(job)

    stage.provider.submit = slow_and_then_killed
    with pytest.raises(Killed):
        stage.tick(batch=1)
    lag = LIMITS.call_timeout * SECOND + SKEW + LIMITS.lookup_lag * SECOND
    runs = [stage.get(first), stage.get(second)]
    [claimed] = [run for run in runs if run.submission is None]
    assert claimed.lease_until == NOW + MINUTE + lag
    assert claimed.lease_until - claimed.claimed_at == 20 * SECOND + lag


def test_a_lease_is_never_longer_than_the_settings_allow():
    stage = Stage()
    run = killed_while_it_submits(stage, lasts=1000 * MINUTE)
    assert run.lease_until == NOW + TickLimits().lease + SKEW + LIMITS.lookup_lag * SECOND
