"""The mutation run: which small changes of the core no test notices.

    python -m tests.mutations                     every module of dispatcher/core (an hour or two)
    python -m tests.mutations transitions holds   some of them
    python -m tests.mutations --list windows      the names of its mutants

A mutant that no test kills is a hole in the tests, unless `equivalent.toml` lists it with the reason why it changes nothing.
The exit code is 1 when one survives that is not listed, or when a listed one is killed.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from time import monotonic

import hypothesis  # noqa: F401 - loaded once, here, and not in every child

from tests.mutations.equivalent import equivalents
from tests.mutations.mutants import Mutant, modules, mutants, unchanged
from tests.mutations.running import Fate, tried


def main(arguments: list[str]) -> int:
    """Run and report; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutations", description=__doc__.splitlines()[0])
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="of dispatcher/core; all by default")
    parser.add_argument("--list", action="store_true", help="print the names of the mutants and run nothing")
    parser.add_argument("--only", default="", metavar="TEXT", help="mutants whose names hold this text")
    parser.add_argument("--seconds", type=float, default=60.0, help="for each mutant, after which it counts as killed")
    asked = parser.parse_args(arguments)
    if unknown := set(asked.modules) - set(modules()):
        parser.error(f"no module of the core: {', '.join(sorted(unknown))}")
    chosen = {name: [mutant for mutant in mutants(name) if asked.only in mutant.name] for name in asked.modules or modules()}
    if asked.list:
        print(*(mutant.name for of_module in chosen.values() for mutant in of_module), sep="\n")
        return 0
    return int(sum(judge(name, of_module, asked.seconds) for name, of_module in chosen.items()) > 0)


def judge(module: str, of_module: list[Mutant], seconds: float) -> int:
    """One line for a module, and one for each mutant that is not as it should be; how many those are."""
    listed, fates, wrong, began = equivalents(), Counter[Fate](), 0, monotonic()
    if tried(unchanged(module), 10 * seconds) is not Fate.SURVIVED:
        print(f"{module}: its tests fail before anything is changed", flush=True)
        return 1
    for mutant in of_module:
        fate = tried(mutant, seconds)
        fates[fate] += 1
        if (fate is Fate.SURVIVED) != (mutant.name in listed):
            wrong += 1
            print("NOT NOTICED" if fate is Fate.SURVIVED else "LISTED, BUT NOTICED", mutant.name, flush=True)
    counts = ", ".join(f"{fates[fate]} {fate}" for fate in Fate)
    print(f"{module}: {len(of_module)} mutants, {counts}; {monotonic() - began:.0f} s", flush=True)
    return wrong


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
