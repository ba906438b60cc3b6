"""Cold start of the Lambda module up to a ready ECS client, beside a bare boto3 ECS client."""

from __future__ import annotations

from functools import partial

from tests.benchmarks.figures import Figure, Result, Target
from tests.benchmarks.measuring import ColdRun, Options, cold, in_turns, ratios, workspace
from tests.benchmarks.worlds import settings_environment

BARE, OURS = "bare boto3 client", "Lambda module, wiring, client"
OURS_ELSEWHERE = "the same on another host"
SIDES = {
    "empty interpreter": ["-c", "pass"],
    "import of the handler alone": ["-c", "import dispatcher.functions.aws_lambda"],
    BARE: ["-m", "tests.benchmarks.programs.bare_client"],
    OURS: ["-m", "tests.benchmarks.programs.lambda_client"],
    OURS_ELSEWHERE: ["-m", "tests.benchmarks.programs.lambda_client"],
}
IDENTITY = {
    "AWS_LAMBDA_FUNCTION_NAME": "benchmark",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "benchmark",
    "AWS_SECRET_ACCESS_KEY": "benchmark",
    "AWS_SESSION_TOKEN": "benchmark",
}
"""What Lambda gives to a function. Where it is not Lambda, ours loads botocore too: `OURS_ELSEWHERE`."""
UNSET = dict.fromkeys(("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "https_proxy", "http_proxy"))
"""What this machine may ask for and Lambda does not."""


def measure(options: Options) -> Result:
    """Whole processes, from their start to their end; nothing is called over the network."""
    with workspace() as directory:
        environment: dict[str, str | None] = {**IDENTITY, **UNSET, **settings_environment(directory / "cold.db")}
        runs: dict[str, list[ColdRun]] = {name: [] for name in SIDES}

        def once(name: str) -> float:
            host = {**environment, "AWS_LAMBDA_FUNCTION_NAME": None} if name == OURS_ELSEWHERE else environment
            runs[name].append(cold(SIDES[name], host))
            return runs[name][-1].wall

        walls = in_turns(options.runs, {name: partial(once, name) for name in SIDES})
    cpus = {name: tuple(run.cpu for run in of_name[1:]) for name, of_name in runs.items()}
    return Result(
        "cold_start",
        "Cold start up to a ready ECS client",
        [
            *(Figure(f"{name}, CPU", "ms", tuple(1000 * cpu for cpu in cpus[name])) for name in SIDES),
            Figure("ours to bare, CPU", "times", ratios(cpus[OURS], cpus[BARE]), Target("<=", 0.8)),
            Figure("ours on another host to bare, CPU", "times", ratios(cpus[OURS_ELSEWHERE], cpus[BARE]), Target("<=", 1.25)),
            *(Figure(f"{name}, wall", "ms", tuple(1000 * wall for wall in walls[name])) for name in SIDES),
            Figure("ours to bare, wall", "times", ratios(walls[OURS], walls[BARE]), Target("<=", 1.25)),
        ],
        [
            "CPU is user and system time of one process; on a machine that does nothing else it is the wall time",
            "bytecode is there, as in a function's package; the first round, which writes it, does not count",
        ],
    )
