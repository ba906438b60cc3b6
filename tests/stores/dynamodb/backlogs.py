"""What a batch costs in front of backlogs that the emulator is too slow for: `python -m tests.stores.dynamodb.backlogs`.

It wants a server at TEST_DYNAMODB_ENDPOINT (see `tests.stores.dynamodb_server`), and answers 1 when the costs differ.
"""

import sys
from collections.abc import Sequence

from tests.stores.dynamodb.places import a_place
from tests.stores.dynamodb.test_costs import BATCH, way


def main(sizes: Sequence[int]) -> int:
    """Print each step's requests, read units and write units for a run of the batch, by backlog."""
    costs = {size: way(a_place(), size, check=False) for size in sizes}
    for step in costs[sizes[0]]:
        columns = "   ".join(f"{size:,}: {costs[size][step].per(BATCH)}" for size in sizes)
        sys.stdout.write(f"{step:>10}   {columns}\n")
    return int(any(cost != costs[sizes[0]] for cost in costs.values()))


if __name__ == "__main__":
    sys.exit(main([int(size) for size in sys.argv[1:]] or [1_000, 100_000]))
