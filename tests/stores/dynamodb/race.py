"""Processes that tick the same pools on DynamoDB, while they are killed and connections are cut between request and answer.

    python -m tests.stores.dynamodb.race --runs 500

On the emulator, which does the cutting, or on the server at TEST_DYNAMODB_ENDPOINT (`tests.stores.dynamodb_server`), with kills
alone. The emulator answers some hundred requests a second, which eight processes that never rest would use up by looking.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from unittest.mock import patch

from dispatcher.stores.dynamodb import DynamoStore
from providers.emulators.faults import FaultKind
from tests.stores.dynamodb_server import ENDPOINT, REGION, connect, emulator, fresh_table, url
from tests.stores.races import Figures, Race, run

CUT = ("TransactWriteItems", "BatchGetItem", "Query", "UpdateItem")


def race(how: Race) -> tuple[Figures, Sequence[str], Sequence[str]]:
    """The figures, the problems that ticks reported, and where the table contradicts itself at the end."""
    table = fresh_table()
    with patch.dict(os.environ, {"AWS_ACCESS_KEY_ID": "emulator", "AWS_SECRET_ACCESS_KEY": "emulator"}):
        figures, problems = run(how, f"dynamodb://{table}?region={REGION}&endpoint={url()}", cut_connections)
    if ENDPOINT is None:
        emulator().faults.reset()
    return figures, problems, DynamoStore(table, connect=connect).check()


def cut_connections(number: int) -> None:
    """Lose the next answers, or the next requests, in turn."""
    if ENDPOINT is None:
        kind = (FaultKind.LOSE_ANSWER, FaultKind.LOSE_REQUEST)[number % 2]
        for operation in CUT:
            emulator().faults.add(f"dynamodb.{operation}", kind, times=2)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one race, print its figures, and answer 1 when a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.stores.dynamodb.race")
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--kill-after", type=int, default=20)
    parser.add_argument("--disturb-after", type=int, default=20)
    parser.add_argument("--lost-answers", type=float, default=0.005)
    parser.add_argument("--interval", type=float, default=0.5 if ENDPOINT is None else 0.05)
    parser.add_argument("--seed", type=int, default=1)
    figures, problems, contradictions = race(Race(**vars(parser.parse_args(arguments))))
    sys.stdout.write("".join(f"{name:>18}  {value}\n" for name, value in asdict(figures).items()))
    sys.stdout.write("".join(f"  {line}\n" for line in [*problems, *contradictions]))
    return 1 if figures.broken or contradictions else 0


if __name__ == "__main__":
    sys.exit(main())
