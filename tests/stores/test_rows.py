"""Nouns in rows: what earlier code wrote is read, and written again as it stood."""

import json
from datetime import timedelta

import pytest

from dispatcher.models import Hook, PinnedJob, RetryPolicy, RunState, Schedule
from dispatcher.stores.rows import DEPLOYMENT, POOL, RUN
from providers.base import Submission
from tests.builders import a_deployment

HOURLY = Schedule(slug="hourly", cron="0 * * * *")
BOTH = Schedule(slug="both", cron="0 6 1-7 * 1", day_or=False)

STORED = {
    "job": '{"configuration":{"a":1,"b":null},"environment":{"A":"1"},"labels":{"push-dispatcher/run_id":"1"}}',
    "submission": '{"handle":{"arn":"x"},"name":"r0-1","url":null}',
    "ends": 2,
    "notify_ends": '["CRASHED","FAILED"]',
    "retry": '{"attempts":3,"backoff":1.0,"delay":0,"ends":["FAILED"]}',
    "past": '[{"lingers":true,"number":1,"reason":"","state":"FAILED","submission":{"handle":{},"name":"r0-1","url":null}}]',
}


def test_a_row_without_day_or_is_read_and_written_as_before():
    codec = DEPLOYMENT.codecs["schedules"]
    stored = codec.encode(a_deployment(schedules=(HOURLY, BOTH)).schedules)
    hourly, both = json.loads(stored)
    assert ("day_or" in hourly, both["day_or"]) == (False, False)
    assert codec.decode(stored) == (HOURLY, BOTH)
    assert codec.decode('[{"slug":"s","cron":"0 * * * *","timezone":"UTC"}]') == (Schedule(slug="s", cron="0 * * * *"),)


def test_a_row_of_earlier_code_is_read_as_the_same_run():
    fields = RUN.decode_fields(STORED)
    assert fields["job"] == PinnedJob(
        configuration={"a": 1, "b": None}, environment={"A": "1"}, labels={"push-dispatcher/run_id": "1"}
    )
    assert fields["submission"] == Submission(name="r0-1", handle={"arn": "x"})
    assert (fields["ended_attempts"], fields["notify_states"]) == (2, {RunState.FAILED, RunState.CRASHED})
    assert fields["retry"] == RetryPolicy(attempts=3, delay=timedelta(0), states=frozenset({RunState.FAILED}))
    assert fields["past"][0].submission == Submission(name="r0-1", handle={})


@pytest.mark.parametrize("column", STORED)
def test_a_value_of_earlier_code_is_written_as_it_stood(column):
    assert RUN.encode_fields(RUN.decode_fields({column: STORED[column]})) == {column: STORED[column]}


def test_a_hook_of_earlier_code_is_read_and_written_as_it_stood():
    codec, stored = POOL.codecs["hooks"], '[{"ends":["FAILED"],"name":"ops"}]'
    assert codec.decode(stored) == (Hook(name="ops", states=frozenset({RunState.FAILED})),)
    assert codec.encode(codec.decode(stored)) == stored
