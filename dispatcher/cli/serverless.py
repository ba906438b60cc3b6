"""`serverless.yml`, for users who installed the package and have no clone."""

from __future__ import annotations

from pathlib import Path

from dispatcher.cli.terraform.writing import ROOTS, RootModule
from dispatcher.errors import Fault, InvalidInput

HERE = Path(__file__).parent
FRAMEWORK = "osls@4.3.1"
"""The version that `serverless.yml` is tested with."""


def service() -> RootModule:
    """The file, and the next steps. Raises `InvalidInput` if it is not installed."""
    path = next((path for path in (HERE / "serverless.yml", HERE.parents[1] / "serverless.yml") if path.is_file()), None)
    if path is None:
        raise InvalidInput(
            "serverless.yml", [Fault(str(HERE), "does not hold it; install push-dispatcher anew, or use a clone")]
        )
    steps = (
        ROOTS["aws"].package,
        f"npx {FRAMEWORK} deploy --region eu-central-1 --param cluster=default",
        f"npx {FRAMEWORK} info --verbose    # the output Store is DISPATCHER_STORE for the command line",
    )
    return RootModule(files={"serverless.yml": path.read_bytes()}, steps=steps, page="infra/serverless.md")
