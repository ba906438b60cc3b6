"""The list of mutants that change nothing is honest, and what is counted as a mutant is one."""

import ast
import re
import subprocess
import sys

import pytest

from tests.mutations.equivalent import equivalents
from tests.mutations.mutants import CORE, modules, mutants


def test_every_listed_mutant_exists_and_says_why_it_changes_nothing():
    listed = equivalents()
    names = {mutant.name for module in modules() for mutant in mutants(module) if any(module in name for name in listed)}
    assert set(listed) - names == set(), "these are no longer mutants: correct the names, or take them off the list"
    assert [name for name, reason in listed.items() if len(reason.split()) < 5] == []


@pytest.mark.parametrize("module", ["transitions", "holds"])
def test_each_mutant_is_another_module_under_a_name_of_its_own(module):
    original = ast.unparse(ast.parse((CORE / f"{module}.py").read_text(encoding="utf-8")))
    made = mutants(module)
    assert len({mutant.name for mutant in made}) == len(made) > 20
    for mutant in made:
        assert ast.unparse(mutant.tree) != original
        compile(mutant.tree, mutant.name, "exec")


def test_a_mutant_of_a_function_is_judged_in_place_and_killed():
    """In place: a run that does not get hold of the functions of the module, and would import each mutant, fails."""
    command = [sys.executable, "-m", "tests.mutations", "retries", "--only", "1 -> 2"]
    answer = subprocess.run(command, cwd=CORE.parents[1], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout
    assert answer.stdout.splitlines()[2].startswith("| retries | 3 | 3 | 0 |")


def table():
    """What the contributing page says of each module: how many mutants were judged, killed and left alive."""
    page = CORE.parents[1].joinpath(".github", "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\w+) \| (\d+) \| (\d+) \| (\d+) \|$", page, re.MULTILINE)
    return {name: [*map(int, row)] for name, *row in rows}


def test_the_table_of_what_was_judged_names_every_module_and_adds_up():
    rows = table()
    assert rows.pop("together") == [sum(column) for column in zip(*rows.values(), strict=True)]
    assert list(rows) == modules()
    assert [name for name, (judged, killed, alive) in rows.items() if judged != killed + alive] == []


def test_a_module_that_has_other_mutants_than_its_row_says_is_to_be_judged_again():
    mutants_now = {name: len(mutants(name)) for name in modules()}
    judged = {name: row[0] for name, row in table().items() if name != "together"}
    assert judged == mutants_now, "python -m tests.mutations MODULE"
