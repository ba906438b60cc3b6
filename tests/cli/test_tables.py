"""Tables fit 60 and 80 columns: nothing is broken in the middle, and no cell makes a row long."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime

import pytest
from rich.console import Console
from rich.text import Text

from dispatcher.cli.input.references import PoolReference
from dispatcher.cli.output.tables import LINES, Column, Grid, Pairs
from dispatcher.cli.output.views import ago, roughly
from dispatcher.models import Run, RunState
from dispatcher.models.records import Move, RunFilter
from dispatcher.stores.sqlite import SqliteStore

POOL, DEPLOYMENT = "nightly-reports-of-europe", "customers-of-the-north-by-region"
REASON = "RESOURCE:GPU: the cluster has no instance with what the task asks for; " * 8
WIDTHS = (60, 80)


@pytest.fixture
def furnished(cli):
    cli.ok("work-pool", "create", POOL, "--type", "process", "--concurrency-limit", "1", "--description", "for reports " * 20)
    cli.ok("work-queue", "create", "critical-and-late", "--pool", POOL, "--priority", "1")
    words = (
        "-jv",
        "command=date",
        "--cron",
        "*/10 * * * *",
        "--interval",
        "900",
        "--timezone",
        "America/Argentina/Buenos_Aires",
    )
    cli.ok("deployment", "create", DEPLOYMENT, "--pool", POOL, *words, *("--tag", "finance") * 2)
    for queue in ("default", "critical-and-late"):
        cli.ok("run", "create", "--deployment", DEPLOYMENT, "--queue", queue, "--at", "2020-01-01T00:00:00+00:00")
    refuse_all(cli)
    return cli


def refuse_all(cli) -> None:
    """As ticks leave runs that a provider keeps refusing."""
    store = SqliteStore(cli.directory / "store.db")
    runs: list[Run] = list(store.runs(RunFilter(), limit=100))
    store.move([Move.of(run, RunState.SCHEDULED, reason=REASON, refusals=7) for run in runs])
    store.close()


COMMANDS = [
    ("work-pool", "ls"),
    ("work-pool", "inspect", POOL),
    ("work-pool", "preview", POOL),
    ("work-queue", "ls", "--pool", POOL),
    ("deployment", "ls"),
    ("deployment", "inspect", DEPLOYMENT),
    ("deployment", "schedule", "ls", DEPLOYMENT),
    ("run", "ls"),
    ("run", "ls", "--to-come"),
    ("hook", "ls"),
    ("dev", "--ticks", "1"),
]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_no_line_is_wider_than_the_terminal(words, width, furnished, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    for line in furnished(*words).out.splitlines():
        assert len(line) <= width or len(line.split()) <= 4 or not line.startswith(" "), line
    tables = [line for line in furnished(*words).out.splitlines() if "  " in line.strip()]
    assert all(len(line) <= width for line in tables), tables


@pytest.mark.parametrize("width", WIDTHS)
def test_a_long_reason_takes_two_lines_of_whole_words(width, furnished, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    lines = furnished("run", "ls").out.splitlines()
    rows = [number for number, line in enumerate(lines) if re.search(r"\b[0-9a-f]{8}\b", line)]
    assert len(rows) == 2
    for begin in rows:
        assert lines[begin + 1].startswith(" " * 8)
        assert lines[begin + 1].endswith("…")
    assert len(lines) == 1 + 2 * LINES + lines[-1].startswith("To come")
    whole = {*REASON.split(), *["higher", "queues;", "before:", "…"]}
    for begin in rows:
        assert {word.rstrip("…") or "…" for word in lines[begin + 1].split()} <= whole


@pytest.mark.parametrize("width", WIDTHS)
def test_ids_states_and_times_are_whole(width, furnished, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    for run in furnished.ok("run", "ls", "--limit", "2"):
        [line] = [line for line in furnished("run", "ls").out.splitlines() if run["id"][:8] in line]
        assert "SCHEDULED late" in line
        assert re.search(r"\d+ d ago", line)


def test_wide_shows_whole_ids_and_names_however_narrow_it_is(furnished, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    for words in (("run", "ls"), ("work-pool", "ls"), ("deployment", "ls")):
        shown = furnished(*words, "--wide").out
        for noun in furnished.ok(*words)[:2]:
            assert noun["id"] in shown
            assert noun["name"] in shown
    assert " ".join(REASON.split()) in furnished("run", "ls", "--wide").out


@pytest.mark.parametrize(
    ("words", "of"),
    [
        (("work-pool", "inspect"), ("work-pool", "ls")),
        (("work-pool", "pause"), ("work-pool", "ls")),
        (("deployment", "inspect"), ("deployment", "ls")),
        (("deployment", "run"), ("deployment", "ls")),
        (("run", "inspect"), ("run", "ls")),
        (("run", "explain"), ("run", "ls")),
    ],
    ids=" ".join,
)
def test_every_command_takes_the_id_that_the_list_shows_and_the_whole_one(words, of, furnished):
    noun = furnished.ok(*of)[0]
    assert noun["id"][:8] in furnished(*of).out
    for reference in (noun["id"], noun["id"][:8], noun["id"][:8].upper(), noun["name"]):
        said = furnished(*words, reference, "--json")
        assert said.exit_code == 0 or "may be any of" in said.errors[0]
        assert said.exit_code == 0 or reference == noun["name"]


def test_the_beginning_of_two_ids_is_refused_with_both(cli):
    for name in ("one", "two"):
        cli.ok("work-pool", "create", name, "--type", "process")

    class Alike(PoolReference):
        def nouns(self, session):
            return [type("Noun", (), {"name": name, "id": f"abcd{name}"}) for name in ("one", "two")]

    with pytest.raises(Exception, match="'abcd' may be any of 2 nouns, as abcdone, abcdtwo; give the whole id"):
        Alike(["name"]).resolve(None, "abcd")


def drawn(renderable, width: int) -> list[str]:
    console = Console(width=width, file=io.StringIO(), highlight=False)
    console.print(renderable, crop=False)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_the_least_important_columns_are_left_out_first():
    columns = [Column(header="Name", name=True), Column(header="Place", name=True, rank=1), Column(header="ID")]
    out = Grid(columns)
    out.add_row(Text("a-name-of-24-characters-x"), Text("somewhere-far-away"), Text("12345678"))
    assert drawn(out, 80)[0].split() == ["Name", "Place", "ID"]
    assert drawn(out, 30) == ["Name                  ID", "a-name-of-24-charac…  12345678"]


def test_a_long_value_of_an_inspection_continues_under_its_column_and_long_words_stay_whole():
    out = Pairs()
    out.add_row("reason", Text("one two three four five six seven eight nine ten"))
    out.add_row("arn", Text("arn:aws:ecs:eu-central-1:123456789012:task/cluster/0123456789"))
    assert drawn(out, 40) == [
        "reason  one two three four five six",
        "        seven eight nine ten",
        "arn     arn:aws:ecs:eu-central-1:123456789012:task/cluster/0123456789",
    ]


def test_a_wide_character_counts_twice():
    out = Grid([Column(header="A", name=True), Column(header="B")])
    out.add_row(Text("夜夜夜夜夜夜夜夜夜夜"), Text("b"))
    assert drawn(out, 15) == ["A             B", "夜夜夜夜夜…   b"]


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0.4, None),
        (1, "1 s"),
        (59, "59 s"),
        (61, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (100_000, "27 h"),
        (180_000, "2 d"),
    ],
)
def test_a_duration_is_shown_in_its_largest_unit(number, words):
    assert roughly(number) == words


def test_a_time_is_past_or_to_come():

    now = datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert ago("2026-01-31T11:58:00+00:00", now) == "2 min ago"
    assert ago("2026-01-31T14:30:00+01:00", now) == "in 1 h"
    assert ago("2026-01-31T12:00:00+00:00", now) == "now"


def test_times_of_an_inspection_state_their_zone(furnished, monkeypatch):
    shown = furnished("work-pool", "inspect", POOL).out
    assert re.search(r"created +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC \(", shown)
