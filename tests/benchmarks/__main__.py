"""`python -m tests.benchmarks [NAME ...]`: measure, and print a table for each benchmark."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from tests.benchmarks.figures import as_json, table
from tests.benchmarks.measuring import Options

BENCHMARKS = {
    "rendering": "render + RunTask request per second",
    "backlog": "claim and whole tick at 1 thousand, 100 thousand and 1 million waiting runs",
    "postgres": "claim + record of a batch on PostgreSQL at 1 thousand and 1 million waiting runs",
    "round_trips": "claim + record of a batch on PostgreSQL behind 0, 2 and 10 ms a round trip",
    "own_part": "CPU of a tick for each run, with a provider that answers at once",
    "throughput": "submissions per second through the whole tick, beside a bare boto3 loop",
    "cold_start": "from a cold process to a ready ECS client, beside bare boto3",
    "package": "the same from the unpacked zip, with a client of DynamoDB as well",
    "story": "200 waiting runs from the start of a cold process to the last RunTask",
    "idle": "what a tick costs that has nothing to submit",
    "pools": "a tick of 1, 100 and 1 thousand pools, of which one has a due run",
    "queues": "a claim and the reads for people in a pool of 1, 100 and 1 thousand queues",
    "history": "explain, every filter of `run ls`, an update and a plan at 1 million ended runs",
    "pages": "every page of the page's server at 1 million ended and 100 thousand waiting runs",
    "latency": "from create_run, and from a job's end, to the next submission at up to 3 thousand live jobs",
    "schedules": "what it costs to make one new window of a schedule a run, for each kind",
    "scheduled": "a tick of 10, 1 thousand and 10 thousand deployments with schedules, and an urgent run among them",
    "start_up": "CPU of a command from its start to its end, beside an empty interpreter",
    "extras": "size of the extra of each pool type, and CPU of importing its provider beside its SDK alone",
    "bridge": "200 due flow runs of a Prefect server: Prefect's worker and ours, to the last ECS task",
    "creation": "CPU of creating 10 thousand runs in one call, for each run",
}


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    results = []
    for name in options.names or BENCHMARKS:
        measure = import_module(f"tests.benchmarks.{name}").measure
        results.append(measure(Options(runs=3 if options.quick else options.runs, quick=options.quick, size=options.size)))
        print(table(results[-1]), flush=True, end="\n\n")
    if options.json:
        load = os.getloadavg()[0]
        options.json.write_text(json.dumps({"load": load, "results": [as_json(result) for result in results]}, indent=1))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description="What the product costs. A missed target is shown in the table and is not an error.",
        epilog="\n".join(f"{name:12} {text}" for name, text in BENCHMARKS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[*BENCHMARKS, []], help="which; all without one")
    parser.add_argument("--runs", type=int, default=15, help="samples of each figure (15)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample there too")
    parser.add_argument("--size", type=int, metavar="N", help="ended runs in place of a million (history, pages)")
    parser.add_argument("--quick", action="store_true", help="small sizes and three samples: to see that all works")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
