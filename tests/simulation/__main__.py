"""`python -m tests.simulation`: looks for broken promises. See README.md beside this file.

    python -m tests.simulation                          a few hundred seeds, the sabotage table, the crash-point pairs
    python -m tests.simulation --seeds 1000 --jobs 2    the figures of the project's README
    python -m tests.simulation --seed 123 --store sqlite --trace    one seed, with its story

The exit code is 1 when a promise was broken or a sabotage went unnoticed.
"""

import argparse
import os
import sys
from collections.abc import Callable
from functools import partial

from tests.simulation.campaign import Tally, campaign, figures, in_processes, live_through, progress, table
from tests.simulation.checks import Violation
from tests.simulation.crash_points import SCENES, Pairs, crash_in_pairs, crash_pair
from tests.simulation.life import STEPS
from tests.simulation.sabotage import SABOTAGES, Caught, hunt
from tests.simulation.stores import EMBEDDED, STORES


def parsed(arguments: list[str]) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description="Looks for broken promises.")
    parser.add_argument("--seeds", type=int, default=300, metavar="N", help="seeds on each store (default 300; 0: none)")
    parser.add_argument("--first", type=int, default=0, metavar="S", help="the first seed (default 0)")
    parser.add_argument("--seed", type=int, metavar="S", help="this seed alone, and nothing else")
    parser.add_argument("--pair", nargs=3, metavar=("SCENE", "I", "J"), help="this pair of crash points alone")
    parser.add_argument("--trace", action="store_true", help="with --seed, --pair: print every IO point and every effect")
    parser.add_argument("--store", choices=[*STORES, "both"], default="both", help="where (default both: memory, sqlite)")
    parser.add_argument("--steps", type=int, default=STEPS, metavar="N", help=f"length of the lively phase (default {STEPS})")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="K", help="processes (default: one a core)")
    parser.add_argument("--sabotages", action=argparse.BooleanOptionalAction, default=True, help="the sabotage table")
    parser.add_argument("--crash-points", action=argparse.BooleanOptionalAction, default=True, help="all pairs of crash points")
    asked = parser.parse_args(arguments)
    if asked.trace and asked.seed is None and asked.pair is None:
        parser.error("--trace prints the story of one seed or pair: name it with --seed or --pair")
    return asked


def main(arguments: list[str]) -> int:
    """Run what the options name; returns the exit code."""
    asked = parsed(arguments)
    stores = list(EMBEDDED) if asked.store == "both" else [asked.store]
    if asked.seed is not None:
        return one_seed(asked, stores)
    if asked.pair is not None:
        return one_pair(asked, stores)
    broken = many_seeds(asked, stores) if asked.seeds else 0
    broken += sabotages(asked.jobs) if asked.sabotages else 0
    broken += crash_points(asked.jobs, stores) if asked.crash_points else 0
    return 1 if broken else 0


def one_seed(asked: argparse.Namespace, stores: list[str]) -> int:
    """Simulate one seed, in this process."""
    tallies = {store: live_through(store, [asked.seed], asked.steps, _writer(asked)) for store in stores}
    return 1 if shown(tallies) else 0


def one_pair(asked: argparse.Namespace, stores: list[str]) -> int:
    """Simulate one pair of crashes, in this process."""
    scene, first, second = asked.pair
    for store in stores:
        try:
            reached = crash_pair(store, scene, int(first), int(second), _writer(asked))
        except Violation as violation:
            print(f"{store}: {violation}")
            return 1
        print(f"{store}: converged after crashes at points {reached[0]} and {reached[1]}")
    return 0


def _writer(asked: argparse.Namespace) -> Callable[[str], None] | None:
    return partial(print, flush=True) if asked.trace else None


def many_seeds(asked: argparse.Namespace, stores: list[str]) -> int:
    """Simulate many seeds, store after store."""
    limits = {"steps": asked.steps, "jobs": asked.jobs}
    return shown({store: campaign(store, asked.first, asked.seeds, **limits) for store in stores}, printed=True)


def shown(tallies: dict[str, Tally], *, printed: bool = False) -> int:
    """Print the figures, and return how many promises were broken. `printed`: the failures were printed as they came."""
    failures = [failure for tally in tallies.values() for failure in tally.failures]
    print(figures(tallies), flush=True)
    for failure in [] if printed else failures:
        print(failure)
    return len(failures)


def sabotages(jobs: int) -> int:
    """Take out each rule; returns how many sabotages went unnoticed."""
    results: dict[str, Caught] = {}

    def note(caught: Caught) -> None:
        results[caught.name] = caught
        progress(f"sabotages: {len(results)} of {len(SABOTAGES)}")

    in_processes((partial(hunt, name) for name in SABOTAGES), jobs, note)
    progress()
    rows = [["sabotage", "caught by seed", "allowed", "seconds"]]
    rows += [results[name].row() for name in SABOTAGES]
    missed = [name for name in SABOTAGES if results[name].seed is None]
    print(f"\n{table(rows)}\n{len(SABOTAGES) - len(missed)} of {len(SABOTAGES)} sabotages caught", flush=True)
    return len(missed)


def crash_points(jobs: int, stores: list[str]) -> int:
    """Crash at every IO point of a tick, and again at every one of the next; returns how many pairs did not converge."""
    results: list[Pairs] = []

    def note(pairs: Pairs) -> None:
        results.append(pairs)
        progress(f"crash points: {sum(result.pairs for result in results):,} pairs")

    slow_first = [(store, scene) for store in reversed(stores) for scene in SCENES]
    in_processes((partial(crash_in_pairs, store, scene) for store, scene in slow_first), jobs, note)
    progress()
    rows = [["crash points", "first tick", "pairs", "converged", "seconds"]]
    rows += [pairs.row() for pairs in sorted(results, key=lambda pairs: (pairs.store, pairs.scene))]
    broken = sum(len(pairs.failures) for pairs in results)
    total = sum(pairs.pairs for pairs in results)
    print(f"\n{table(rows)}\n{total - broken:,} of {total:,} pairs of crashes converged", flush=True)
    for failure in [failure for pairs in results for failure in pairs.failures][:10]:
        print(failure)
    return broken


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
