"""A schedule in a row: what older rows lack is as it always was, and what is as it always was is not written."""

import json

from dispatcher.models import Schedule
from dispatcher.stores.rows import DEPLOYMENT
from tests.builders import a_deployment

HOURLY = Schedule(slug="hourly", cron="0 * * * *")
BOTH = Schedule(slug="both", cron="0 6 1-7 * 1", day_or=False)


def test_a_row_that_knows_nothing_of_day_or_is_read_and_written_as_before():
    codec = DEPLOYMENT.codecs["schedules"]
    stored = codec.encode(a_deployment(schedules=(HOURLY, BOTH)).schedules)
    hourly, both = json.loads(stored)
    assert ("day_or" in hourly, both["day_or"]) == (False, False)
    assert codec.decode(stored) == (HOURLY, BOTH)
    assert codec.decode('[{"slug":"s","cron":"0 * * * *","timezone":"UTC"}]') == (Schedule(slug="s", cron="0 * * * *"),)
