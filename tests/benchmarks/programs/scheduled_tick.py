"""One scheduled invocation of the Lambda handler in a cold process, with a log line for each decision as Lambda keeps them."""

import json
import logging
import os
from pathlib import Path

from dispatcher.functions.aws_lambda import handler
from tests.benchmarks.programs.memory import peak_mib


class Context:
    """As much of Lambda's as is used."""

    def get_remaining_time_in_millis(self) -> int:
        return 300_000


with Path(os.devnull).open("w") as nowhere:
    logging.basicConfig(stream=nowhere)
    report = handler({"detail-type": "Scheduled Event", "source": "aws.events"}, Context())
pools = report["pools"]  # none, where a Prefect server was too busy to show one
problems = [*report["source_problems"], *(pool["problem"] for pool in pools if pool["problem"])]
submitted = sum(pool["submitted"] for pool in pools)
print(json.dumps({"submitted": submitted, "problem": "; ".join(problems), "peak_mib": peak_mib()}))
