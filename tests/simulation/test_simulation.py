"""The slice of the simulation that belongs to the test suite; `python -m tests.simulation` runs more of the same."""

import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from tests.simulation import cloud
from tests.simulation.__main__ import main
from tests.simulation.bridged import simulate_bridged
from tests.simulation.campaign import Tally, live_through
from tests.simulation.checks import Violation
from tests.simulation.cloud import Kind
from tests.simulation.crash_points import SCENES, crash_in_pairs
from tests.simulation.crowded import simulate_crowded
from tests.simulation.life import simulate
from tests.simulation.marks import MARKS
from tests.simulation.regressions import REGRESSIONS
from tests.simulation.sabotage import DRIFT, SABOTAGES, hunt
from tests.simulation.shared import simulate_shared
from tests.simulation.stores import EMBEDDED, STORES

ROOT = Path(__file__).parents[2]
SEEDS = {"memory": range(12), "sqlite": range(1000, 1006)}
MORE_SEEDS = {"memory": range(68), "sqlite": range(1000, 1030)}


@pytest.fixture(scope="module")
def tallies() -> dict[str, Tally]:
    return {store: live_through(store, seeds) for store, seeds in SEEDS.items()}


@pytest.fixture(scope="module")
def more_tallies() -> dict[str, Tally]:
    return {store: live_through(store, seeds) for store, seeds in MORE_SEEDS.items()}


@pytest.mark.parametrize("store", SEEDS)
def test_no_promise_is_broken(store, tallies):
    assert_kept(tallies[store], len(SEEDS[store]))


@pytest.mark.long
@pytest.mark.parametrize("store", MORE_SEEDS)
def test_no_promise_is_broken_in_more_seeds(store, more_tallies):
    assert_kept(more_tallies[store], len(MORE_SEEDS[store]))


def test_no_promise_is_broken_where_a_source_has_to_let_each_run_start():
    marks = Counter()
    for seed in range(5000, 5006):
        with STORES["memory"]() as views:
            marks.update(simulate(seed, views, sourced=True)[1])
    assert marks["first answer: Withdrawn"]
    assert marks["first answer: NotConfirmed"]
    assert marks["repeat's answer: NotConfirmed"]


AUTOMATED = range(7010, 7016)
MORE_AUTOMATED = (*range(7000, 7010), *range(7016, 7030))


@pytest.mark.parametrize("seeds", [AUTOMATED, pytest.param(MORE_AUTOMATED, marks=pytest.mark.long)], ids=["few", "more"])
def test_each_end_is_followed_once_where_automations_make_runs_of_ends(seeds):
    marks = Counter()
    for seed in seeds:
        with STORES["memory"]() as views:
            marks.update(simulate(seed, views, automated=True)[1])
    for mark in ("automation acted", "automation looked", "automation paused", "automation refused"):
        assert marks[mark], mark


def test_a_seed_with_automations_has_the_same_history_on_every_store():
    stories = []
    for store in EMBEDDED:
        stories.append([])
        with STORES[store]() as views:
            simulate(7000, views, automated=True, steps=150, write=stories[-1].append)
    assert any("automations: [" in line for line in stories[0])
    assert all(story == stories[0] for story in stories)


CROWDED = range(9015, 9019)
MORE_CROWDED = range(9019, 9035)


@pytest.mark.parametrize("seeds", [CROWDED, pytest.param(MORE_CROWDED, marks=pytest.mark.long)], ids=["few", "more"])
def test_no_promise_is_broken_where_deployments_have_limits_and_people_pause(seeds):
    marks = Counter()
    for seed in seeds:
        with STORES["memory"]() as views:
            marks.update(simulate_crowded(seed, views)[1])
    for mark in ("missed", "skipped", "replaced", "expired"):
        assert marks[mark], mark


def test_a_seed_with_limits_and_pauses_has_the_same_history_on_every_store():
    stories = []
    for store in EMBEDDED:
        stories.append([])
        with STORES[store]() as views:
            simulate_crowded(9018, views, steps=150, write=stories[-1].append)
    assert len(stories[0]) > 100
    assert all(story == stories[0] for story in stories)


SHARED = range(9100, 9104)
MORE_SHARED = range(9104, 9120)


@pytest.mark.parametrize("seeds", [SHARED, pytest.param(MORE_SHARED, marks=pytest.mark.long)], ids=["few", "more"])
def test_no_promise_is_broken_where_deployments_share_queues_and_runs_have_priorities(seeds):
    for seed in seeds:
        with STORES["memory"]() as views:
            counts, _ = simulate_shared(seed, views)
        assert counts["runs"], "people have asked for runs"


def test_a_seed_with_shares_has_the_same_history_on_every_store():
    stories = []
    for store in EMBEDDED:
        stories.append([])
        with STORES[store]() as views:
            simulate_shared(9101, views, steps=150, write=stories[-1].append)
    assert len(stories[0]) > 100
    assert all(story == stories[0] for story in stories)


BRIDGED = range(8000, 8004)
MORE_BRIDGED = range(8004, 8030)


@pytest.mark.parametrize("seeds", [BRIDGED, pytest.param(MORE_BRIDGED, marks=pytest.mark.long)], ids=["few", "more"])
def test_no_promise_is_broken_where_a_prefect_server_is_the_source(seeds):
    marks = Counter()
    for seed in seeds:
        with STORES["memory"]() as views:
            marks.update(simulate_bridged(seed, views)[1])
    for mark in ("ours: Pending", "ours: InfrastructurePending", "ours: Scheduled", "ours: Crashed", "fault of the server"):
        assert marks[mark], mark
    assert marks["first answer: Withdrawn"]


def test_a_seed_with_a_prefect_server_has_the_same_history_on_every_store():
    stories = []
    for store in EMBEDDED:
        story = []
        with STORES[store]() as views:
            simulate_bridged(8000, views, steps=100, write=story.append)
        stories.append(story)
    assert len(stories[0]) > 100
    assert all(story == stories[0] for story in stories)


def label_seeds(seeds: range) -> Counter[str]:
    marks = Counter()
    for seed in seeds:
        with STORES["memory"]() as views:
            marks.update(simulate(seed, views, kinds=(Kind.LABEL,))[1])
    return marks


def test_no_promise_is_broken_where_the_cloud_takes_no_name_and_the_claim_alone_protects():
    marks = label_seeds(range(6000, 6006))
    assert marks["first answer: Unknown"]
    assert marks["late request: started the job"]


def test_a_look_up_believed_too_early_starts_a_second_job_where_the_cloud_takes_no_name(monkeypatch):
    hasty = {**cloud.LIMITS, Kind.LABEL: replace(cloud.LIMITS[Kind.LABEL], lookup_lag=0.0)}
    monkeypatch.setattr(cloud, "LIMITS", hasty)
    cloud.limits_of.cache_clear()
    try:
        with pytest.raises(Violation):
            label_seeds(range(6000, 6010))
    finally:
        cloud.limits_of.cache_clear()


def assert_kept(tally: Tally, seeds: int) -> None:
    assert [str(failure) for failure in tally.failures] == []
    assert tally.counts["ticks"] > 40 * seeds
    assert tally.counts["crashes"] > 10 * seeds


@pytest.mark.long
def test_every_branch_that_matters_is_reached(more_tallies):
    tallies = more_tallies
    reached = sum((tally.marks for tally in tallies.values()), start=type(tallies["memory"].marks)())
    assert [mark for mark in MARKS if not reached[mark]] == []
    assert sorted(set(reached) - set(MARKS)) == []


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.long) for seed in (2, 3, 4))])
def test_every_store_has_the_same_history(seed):
    stories = {}
    for store in EMBEDDED:
        stories[store] = []
        tally = live_through(store, [seed], write=stories[store].append)
        assert tally.failures == []
    assert stories["memory"]
    for story in stories.values():
        assert story == stories["memory"]


@pytest.mark.parametrize(
    ("store", "seeds"),
    [
        ("postgresql", range(2000, 2001)),
        pytest.param("postgresql", range(2001, 2003), marks=pytest.mark.long),
        # The story is shorter than the history, which DynamoDB deletes by itself.
        pytest.param("dynamodb", range(3012, 3013), marks=pytest.mark.long),
    ],
)
def test_no_promise_is_broken_on_a_shared_store_and_its_story_is_the_same(store, seeds):
    stories = {}
    for name in ("memory", store):
        stories[name] = []
        tally = live_through(name, seeds, steps=60, write=stories[name].append)
        assert [str(failure) for failure in tally.failures] == []
        assert tally.counts["crashes"] > 0
    assert stories[store] == stories["memory"]


def test_a_seed_has_the_same_history_in_every_process():
    assert history(hash_seed="1") == history(hash_seed="2")


def history(hash_seed: str) -> list[str]:
    command = [sys.executable, "-m", "tests.simulation", "--seed", "7", "--store", "sqlite", "--trace"]
    environment = os.environ | {"PYTHONHASHSEED": hash_seed}
    answer = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    lines = [line for line in answer.stdout.splitlines() if not line.startswith("seconds")]
    assert len(lines) > 100
    return lines


@pytest.mark.parametrize(("name", "near"), [(name, sabotage.near) for name, sabotage in SABOTAGES.items()])
def test_a_rule_that_is_taken_out_is_missed(name, near):
    caught = hunt(name, first=near)
    assert caught.seed is not None, f"not caught within {SABOTAGES[name].seeds} seeds"
    assert caught.seed - near <= DRIFT, f"the worlds have changed: set near={caught.seed} in sabotage.py"


@pytest.mark.parametrize(("seed", "store"), [(seed, store) for seed, store, _ in REGRESSIONS])
def test_seeds_that_once_failed_now_pass(seed, store):
    assert [str(failure) for failure in live_through(store, [seed]).failures] == []


@pytest.mark.parametrize(
    ("store", "every"),
    [("memory", 40), pytest.param("memory", 9, marks=pytest.mark.long), pytest.param("sqlite", 40, marks=pytest.mark.long)],
)
@pytest.mark.parametrize("scene", SCENES)
def test_two_crashes_at_any_two_points_leave_nothing_that_the_third_tick_cannot_finish(scene, store, every):
    pairs = crash_in_pairs(store, scene, every=every)
    assert pairs.failures == []
    assert pairs.first_points > 40
    assert pairs.pairs > 25 * (pairs.first_points // every)


def test_crash_points_notice_a_claim_that_is_not_looked_up():
    with SABOTAGES["no look-up before a repeat"].broken():
        assert crash_in_pairs("memory", "running", every=20).failures


def test_a_broken_promise_is_reported_with_the_line_that_repeats_it(capsys):
    alone = ["--seeds", "30", "--store", "memory", "--jobs", "1", "--no-sabotages", "--no-crash-points"]
    assert main(alone) == 0
    with SABOTAGES["no token"].broken():
        assert main(alone) == 1
        said = capsys.readouterr().out
        seed, violation = re.search(r"^seed (\d+) on memory.*$", said, re.MULTILINE).expand(r"\1\n\g<0>").split("\n")
        assert f"python -m tests.simulation --seed {seed} --store memory --trace" in said

        assert main(["--seed", seed, "--store", "memory", "--trace"]) == 1
        story = capsys.readouterr().out
        assert violation in story
        assert "CRASHES at" in story
