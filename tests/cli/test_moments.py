"""Times as people say them."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta, timezone

import pytest

from dispatcher.cli.input.lengths import Length
from dispatcher.cli.input.moments import moment
from dispatcher.errors import InvalidInput

NOW = datetime(2026, 3, 28, 22, 30, tzinfo=UTC)
"""Half past eleven at night in Berlin; the clocks there skip 02:00 to 03:00 the next night."""


@pytest.fixture
def in_kathmandu(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    time.tzset()
    yield timezone(timedelta(hours=5, minutes=45))
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("text", "later"),
    [
        ("now", timedelta()),
        ("in 5 minutes", timedelta(minutes=5)),
        ("in 5m", timedelta(minutes=5)),
        (" in  1h30m ", timedelta(minutes=90)),
        ("in 2 days", timedelta(days=2)),
        ("in 1 week 1 day", timedelta(days=8)),
        ("in 90", timedelta(seconds=90)),
        ("in PT15M", timedelta(minutes=15)),
        ("5 minutes ago", -timedelta(minutes=5)),
        ("1h30m  ago", -timedelta(minutes=90)),
    ],
)
def test_a_length_of_time_counts_from_now(text, later):
    assert moment(text, NOW) == NOW + later


@pytest.mark.parametrize(
    ("text", "local"),
    [
        ("today 18:00", (29, 18, 0)),
        ("tomorrow 08:00", (30, 8, 0)),
        ("tomorrow at 8:05", (30, 8, 5)),
        ("tomorrow 0:00", (30, 0, 0)),
        ("yesterday 08:00", (28, 8, 0)),
    ],
)
def test_a_time_of_a_day_is_in_the_zone_of_this_machine(text, local, in_kathmandu):
    """It is a quarter past four in the morning of the 29th there."""
    due = moment(text, NOW)
    assert due == datetime(2026, 3, *local, tzinfo=in_kathmandu)
    assert due.utcoffset() == timedelta(hours=5, minutes=45), "so that it is printed as it was said"


def test_a_zone_may_be_named_and_tomorrow_is_the_day_after_the_day_there(in_kathmandu):
    assert moment("tomorrow 08:00 Europe/Berlin", NOW) == datetime(2026, 3, 29, 6, 0, tzinfo=UTC)
    assert moment("today 08:00 Pacific/Auckland", NOW) == datetime(2026, 3, 28, 19, 0, tzinfo=UTC)


def test_a_time_in_iso_8601_is_taken_unchanged():
    assert moment("2026-01-31T08:00:00+01:00", NOW) == datetime(2026, 1, 31, 7, tzinfo=UTC)
    assert moment("2026-01-31T08:00", NOW).tzinfo is None, "which the client refuses"


@pytest.mark.parametrize(
    ("text", "now", "words"),
    [
        ("tomorrow 02:30 Europe/Berlin", NOW, "the clocks skip"),
        (
            "today 02:30 Europe/Berlin",
            datetime(2026, 10, 25, 9, tzinfo=UTC),
            "2026-10-25 00:30:00+00:00 or 2026-10-25 01:30:00+00:00",
        ),
        ("tomorrow 25:00", NOW, "is not a time of a day"),
        ("tomorrow 08:60", NOW, "is not a time of a day"),
        ("tomorrow 08:00 Europe/Atlantis", NOW, "no time zone 'Europe/Atlantis'"),
        ("tomorrow 08:00 ../etc/passwd", NOW, "no time zone"),
        ("tomorrow 08:00 Europe", NOW, "no time zone"),
        ("tomorrow", NOW, "is not a time"),
        ("08:00", NOW, "is not a time"),
        ("5 minutes", NOW, "is not a time"),
        ("in a while", NOW, "must be a number of seconds, or a length of time"),
        ("in 5", NOW, ""),
        ("in 9000 years", NOW, "must be a number of seconds"),
        ("in 3000000 days", NOW, "not between the years 1 and 9999"),
        ("1000000 days ago", NOW, "not between the years 1 and 9999"),
        ("a while ago", NOW, "must be a number of seconds, or a length of time"),
        ("in -5m", NOW, "must be a number of seconds"),
        ("", NOW, "is not a time"),
    ],
)
def test_an_ambiguous_time_is_refused_with_the_right_spelling(text, now, words):
    if not words:
        assert moment(text, now) == now + timedelta(seconds=5)
        return
    with pytest.raises(InvalidInput) as refused:
        moment(text, now)
    assert words in str(refused.value)


@pytest.mark.parametrize("command", [("run", "create", "--pool", "nightly"), ("deployment", "run", "etl")])
def test_the_command_says_how_it_understood_words(cli, command):
    cli.ok("work-pool", "create", "nightly", "--type", "process")
    cli.ok("deployment", "create", "etl", "--pool", "nightly", "-jv", "command=true")
    own = ("-jv", "command=true")
    said = cli(*command, *own, "--at", "tomorrow 08:00 Asia/Tokyo", "--json")
    assert said.exit_code == 0
    assert said.errors[0].startswith("tomorrow 08:00 Asia/Tokyo: 2")
    assert said.errors[0].endswith(" 08:00:00+09:00")
    [run] = cli.stored()[1]
    assert run.due_at == datetime.fromisoformat(said.errors[0].partition(": ")[2])
    assert cli(*command, *own, "--at", "2040-01-31T08:00:00+00:00").errors == ()


def test_runs_are_listed_since_a_time_in_words(cli):
    cli.ok("work-pool", "create", "nightly", "--type", "process")
    cli.ok("run", "create", "--pool", "nightly", "-jv", "command=true")
    said = cli("run", "ls", "--since", "2h ago", "--json")
    assert said.errors[0].startswith("2h ago: 2")
    assert len(json.loads(said.out)) == 1
    assert cli.ok("run", "ls", "--until", "yesterday 00:00") == []
    assert "since: '2h before' is not a time" in "".join(cli("run", "ls", "--since", "2h before").errors)


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("1.5", 1.5), ("5m", 300), ("1h30m", 5400), ("PT15M", 900)])
def test_an_option_takes_a_length_of_time_in_every_form(text, seconds):
    assert Length(0.1, 86400).convert(text, None, None) == seconds


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("soon", "'soon' is not a number of seconds, or a length of time, as 15m, 1h30m or PT15M"),
        ("2h", "7200.0 is not in the range 0.1<=x<=3600"),
        ("-1", "-1.0 is not in the range 0.1<=x<=3600"),
        ("nan", "'nan' is not a number of seconds"),
    ],
)
def test_a_length_that_an_option_cannot_take_is_refused(cli, text, words):
    said = cli("dev", "--every", text)
    assert said.exit_code == 2
    assert words in "".join(said.errors)
