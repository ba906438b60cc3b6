"""One of several processes that tick the same pools, set up by the environment:

    python -m tests.stores.ticker DESCRIPTOR INTERVAL

Each round is an invocation of its own on a warm instance. After each, one line goes to the descriptor: how many runs were seen
to end, and what went wrong, as JSON. INTERVAL seconds pass between two rounds. It goes on until it is killed.
"""

import json
import os
import sys
from typing import Any

from dispatcher.environment.settings import Settings
from dispatcher.errors import StoreError
from dispatcher.functions.invocation import invoke
from dispatcher.wiring import Wiring, wire


def main(descriptor: int, interval: float) -> None:
    wiring = wire(Settings.from_environment(os.environ))
    while True:
        said = json.dumps(one_round(wiring))
        os.write(descriptor, said.encode() + b"\n")  # short enough to be written in one piece
        wiring.dispatch.clock.sleep(interval)


def one_round(wiring: Wiring) -> dict[str, Any]:
    try:
        report = invoke(wiring, {})
    except StoreError as problem:
        return {"ended": 0, "problems": [str(problem)[:300]]}
    pools = report["pools"]
    return {
        "ended": sum(pool["ended"] for pool in pools),
        "problems": [pool["problem"][:300] for pool in pools if pool["problem"]],
    }


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
