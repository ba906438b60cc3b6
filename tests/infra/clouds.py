"""Modules for Google and Azure, applied to the stub provider: what they made, by resource type."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dispatcher.client import Dispatcher
from dispatcher.stores.memory import MemoryStore
from tests.infra.stub_provider.serving import serving
from tests.infra.terraform import INFRA, Terraform

PROJECT = "acme-jobs"
SUBSCRIPTION, TENANT = "00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000b"
STORE = "postgresql://dispatcher:hush@db.example:5432/dispatcher"

FOUND: Mapping[str, Mapping[str, Any]] = {
    "azurerm_client_config": {
        "subscription_id": SUBSCRIPTION,
        "tenant_id": TENANT,
        "object_id": "00000000-0000-0000-0000-00000000000c",
        "client_id": "00000000-0000-0000-0000-00000000000d",
    },
    "azurerm_resource_group": {"id": f"/subscriptions/{SUBSCRIPTION}/resourceGroups/ours", "location": "westeurope"},
}
"""What data sources find."""


@contextmanager
def on_the_stub(
    directory: Path,
    module: str,
    *,
    plugins: Path | None = None,
    infra: Path = INFRA,
    aws: Mapping[str, str] | None = None,
    **variables: Any,
) -> Iterator[Terraform]:
    """A root module that has the stub for Google and Azure; nothing has been done with it yet.

    `aws`: the environment that leads the provider of AWS to an emulator.
    """
    with serving("google", "azurerm", data=FOUND) as stub:
        environment = {**stub, **(aws or {})}
        yield Terraform(directory, module, plugins=plugins, variables=variables, environment=environment, infra=infra)


def a_package(directory: Path) -> str:
    """A zip in place of the built one: what is in it does not matter here."""
    path = directory / "function.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("main.py", "")
    return str(path)


def of_type(resources: Mapping[str, Mapping[str, Any]], kind: str) -> list[Mapping[str, Any]]:
    """The resources of a type, without data."""
    pattern = re.compile(rf"(^|\.){kind}\.")
    return [values for address, values in resources.items() if pattern.search(address) and "data." not in address]


def leaves(value: Any) -> Iterator[str]:
    """Every text in a value, keys of maps included."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield key
            yield from leaves(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from leaves(item)
    elif isinstance(value, str):
        yield value


def accepted_by_validation(pool_type: str, job_variables: Mapping[str, Any]) -> None:
    """Make a work pool with these defaults, and a run that gives an image alone: all of it is checked with the template."""
    client = Dispatcher(MemoryStore())
    client.create_work_pool("batch", type=pool_type, job_variables=job_variables)
    client.create_run(pool="batch", job_variables={"image": "busybox"})


def statements(policy: str) -> list[Mapping[str, Any]]:
    """The statements of an AWS policy."""
    policy_statements: list[Mapping[str, Any]] = json.loads(policy)["Statement"]
    return policy_statements
