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
pool = report["pools"][0]
print(json.dumps({"submitted": pool["submitted"], "problem": pool["problem"], "peak_mib": peak_mib()}))
