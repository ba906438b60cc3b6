"""RunTask calls from a cold process with boto3 alone: `bare_loop REQUEST.json COUNT THREADS`."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import boto3
from botocore.config import Config

from tests.benchmarks.programs.memory import peak_mib

request = json.loads(Path(sys.argv[1]).read_text())
count, threads = int(sys.argv[2]), int(sys.argv[3])
client = boto3.client("ecs", config=Config(max_pool_connections=threads))


def run_task(name: str) -> None:
    client.run_task(**{**request, "clientToken": name, "startedBy": name})


with ThreadPoolExecutor(threads) as executor:
    list(executor.map(run_task, [f"r{uuid4().hex}-1" for _ in range(count)]))
print(json.dumps({"peak_mib": peak_mib()}))
