"""Cold start of the function in the unpacked zip, beside bare boto3 clients, both with what Lambda's runtime brings alone."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from dispatcher.packaging.build import Package, build
from tests.benchmarks.cold_start import IDENTITY, UNSET
from tests.benchmarks.figures import Figure, Result, Target
from tests.benchmarks.measuring import ROOT, ColdRun, Options, cold, in_turns, ratios, workspace
from tests.functions.lambda_platform.packages import order
from tests.functions.lambda_platform.sandbox import lay_out_runtime, unpack

PROGRAMS = ROOT / "tests/benchmarks/programs"
BARE, OURS = "bare boto3 clients of ECS and DynamoDB", "function in the zip, both clients"
SIDES = {
    "empty interpreter": "pass",
    "import of the handler alone": "import dispatcher.functions.aws_lambda",
    BARE: (PROGRAMS / "bare_clients.py").read_text(),
    OURS: (PROGRAMS / "packaged_function.py").read_text(),
}


def measure(options: Options) -> Result:
    """Whole processes, from their start to their end; nothing is called over the network."""
    with workspace() as directory:
        built = build(order(directory / "function.zip"))
        task, runtime = unpack(built.order.output, directory / "task"), lay_out_runtime(directory / "runtime")
        environment = {**IDENTITY, **UNSET, "DISPATCHER_STORE": "dynamodb://runs", "PYTHONPATH": str(runtime)}
        runs: dict[str, list[ColdRun]] = {name: [] for name in SIDES}
        walls = in_turns(options.runs, {name: partial(_once, runs[name], name, environment, task) for name in SIDES})
    cpus = {name: tuple(run.cpu for run in of_name[1:]) for name, of_name in runs.items()}
    return Result(
        "package",
        "Cold start of the packaged function up to ready clients of DynamoDB and ECS",
        [
            Figure("the zip", "kB", (built.size / 1000,), Target("<=", 3000)),
            *(Figure(f"{name}, CPU", "ms", tuple(1000 * cpu for cpu in cpus[name])) for name in SIDES),
            Figure("ours to bare, CPU", "times", ratios(cpus[OURS], cpus[BARE]), Target("<=", 0.8)),
            *(Figure(f"{name}, wall", "ms", tuple(1000 * wall for wall in walls[name])) for name in SIDES),
            Figure("ours to bare, wall", "times", ratios(walls[OURS], walls[BARE]), Target("<=", 1.25)),
        ],
        _notes(built),
    )


def _once(runs: list[ColdRun], name: str, environment: dict[str, str], task: Path) -> float:
    runs.append(cold(["-S", "-c", SIDES[name]], environment, task))
    return runs[-1].wall


def _notes(built: Package) -> list[str]:
    parts = ", ".join(f"{part.name} {part.zipped / 1000:,.0f} kB" for part in built.parts)
    return [
        f"in the zip: {parts}; bytecode of Python {built.interpreter}",
        "no side has site-packages: what can be imported is the zip, and boto3 with what it needs",
        "CPU is user and system time of one process; on a machine that does nothing else it is the wall time",
    ]
