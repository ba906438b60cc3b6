"""The walk through Prefect's documentation: what the page says is what the commands say, and no command is left out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from tests.cli.test_every_command import EVERY
from tests.cli.walk import ANYTHING, DOCUMENT, is_as_expected, renewed, rules, steps, walk_within_an_hour

LINES = DOCUMENT.read_text(encoding="utf-8").splitlines()
STEPS, RULES = tuple(steps(LINES)), rules(LINES)
PAGES = (Path("README.md"), Path("dispatcher/cli/README.md"))
ASKS_FOR_THE_CODE = "echo $?"
NOUNS = ("work-pool", "work-queue", "deployment", "run")


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """The whole walk, once."""
    homes = (tmp_path_factory.mktemp("walk") for _ in range(3))
    return walk_within_an_hour(STEPS, homes)


def test_every_command_says_what_the_page_says(done):
    different = [
        "\n".join([f"line {command.step.line}: {command.step.command}", *command.output])
        for command in done
        if not is_as_expected(command, RULES)
    ]
    assert not different, "\n\n".join(different)


def test_a_command_that_fails_is_followed_by_its_exit_code(done):
    for command, then in pairwise(done):
        assert command.exit_code == 0 or then.step.command == ASKS_FOR_THE_CODE, command
        assert then.step.command != ASKS_FOR_THE_CODE or then.output == (str(command.exit_code),), command


def test_a_word_more_or_less_or_another_is_noticed_in_every_output(done):
    for command in done:
        assert (
            not is_as_expected(replace(command, output=(*command.output, "and more")), RULES)
            or ANYTHING in command.step.expected[-1:]
        )
        for number, line in enumerate(command.step.expected):
            if line != ANYTHING:
                for wrong in _spoiled(command.step.expected, number, line):
                    assert not is_as_expected(replace(command, step=replace(command.step, expected=wrong)), RULES), (
                        command.step,
                        line,
                    )


def _spoiled(expected: tuple[str, ...], number: int, line: str) -> Iterator[tuple[str, ...]]:
    """The output with a line changed, and with one left out where no `...` could stand for it."""
    yield (*expected[:number], line + " too", *expected[number + 1 :])
    if ANYTHING not in expected:
        yield expected[:number] + expected[number + 1 :]


def test_a_page_with_outdated_output_is_rewritten_with_the_current_output(done):
    wrong = [line.replace("COMPLETED", "FINISHED") for line in LINES]
    replaced = [replace(command, step=step) for command, step in zip(done, steps(wrong), strict=True)]
    assert sum(not is_as_expected(command, RULES) for command in replaced) >= 3
    again = [replace(command, step=step) for command, step in zip(done, steps(renewed(wrong, replaced)), strict=True)]
    assert all(is_as_expected(command, RULES) for command in again)


def test_parts_that_no_rule_names_are_compared():
    assert len(RULES) >= 10
    for words in (
        "2 of 2 slots are held",
        "priority 10",
        "COMPLETED",
        "exit code 143",
        "Runs: 2, late: 1",
        "work pool 'nightly'",
    ):
        assert not any(rule.pattern.search(words) for rule in RULES)


@pytest.mark.parametrize("path", [path for path in EVERY if path[0] in NOUNS], ids=" ".join)
def test_every_command_of_pools_queues_deployments_and_runs_occurs(path):
    assert any(re.match(f"dispatcher {' '.join(path)}( |$)", step.command) for step in STEPS)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_the_walkthrough_is_linked_from_the_page(page):
    assert "walkthrough.md)" in (Path(__file__).parents[2] / page).read_text(encoding="utf-8")
