"""The mutation run: which small changes of the core no test notices.

    python -m tests.mutations                     every module of dispatcher/core
    python -m tests.mutations transitions holds   some of them
    python -m tests.mutations --list windows      the names of its mutants

A mutant that no test kills is a hole in the tests, unless `equivalent.toml` lists it with the reason why it changes nothing.
The exit code is 1 when one survives that is not listed, or when a listed one is killed.
"""

from __future__ import annotations

import argparse
import resource
import sys
from collections import Counter
from multiprocessing import get_context

from tests.mutations.equivalent import equivalents
from tests.mutations.mutants import Mutant, modules, mutants
from tests.mutations.running import Fate, judged


def main(arguments: list[str]) -> int:
    """Run and report; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutations", description=__doc__.splitlines()[0])
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="of dispatcher/core; all by default")
    parser.add_argument("--list", action="store_true", help="print the names of the mutants and run nothing")
    parser.add_argument("--only", default="", metavar="TEXT", help="mutants whose names contain this text")
    asked = parser.parse_args(arguments)
    if unknown := set(asked.modules) - set(modules()):
        parser.error(f"no module of the core: {', '.join(sorted(unknown))}")
    chosen = [[mutant for mutant in mutants(name) if asked.only in mutant.name] for name in asked.modules or modules()]
    if asked.list:
        print(*(mutant.name for of_module in chosen for mutant in of_module), sep="\n")
        return 0
    print("| module | mutants | killed | equivalent | CPU s |\n| --- | --- | --- | --- | --- |", flush=True)
    with get_context("fork").Pool(1, maxtasksperchild=1) as processes:  # each module gets a process that has imported nothing
        return int(sum(processes.imap(judge, filter(None, chosen))) > 0)


def judge(of_module: list[Mutant]) -> int:
    """Print one line for a module, and one for each mutant that is not as it should be; how many those are."""
    try:
        listed, fates = equivalents(), judged(of_module[0].module, of_module)
    except RuntimeError as problem:
        print(f"{of_module[0].module}: {problem}", flush=True)
        return 1
    wrong = [(mutant, fate) for mutant, fate in fates if (fate is Fate.SURVIVED) != (mutant.name in listed)]
    survived = Counter(fate for _, fate in fates)[Fate.SURVIVED]
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    seconds = sum(usage.ru_utime + usage.ru_stime for usage in used)
    print(f"| {of_module[0].module} | {len(fates)} | {len(fates) - survived} | {survived} | {seconds:.0f} |", flush=True)
    for mutant, fate in wrong:
        print("NOT NOTICED:" if fate is Fate.SURVIVED else "LISTED, BUT NOTICED:", mutant.name, flush=True)
    return len(wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
