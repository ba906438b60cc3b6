"""What a cold function pays for: nothing before the first call, and then botocore alone."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys
from providers.ecs import EcsProvider
from providers.ecs.events import from_event
from providers.ecs.place import Place
provider = EcsProvider(region="us-east-1")
from_event({{}})
if {client}:
    provider._clients.client("ecs", Place(region="us-east-1"))
print(*sorted({{name.partition(".")[0] for name in sys.modules}}))
"""


@pytest.mark.parametrize(("client", "forbidden"), [(False, {"botocore", "urllib3"}), (True, {"boto3"})])
def test_a_module_is_loaded_when_it_is_needed_and_not_before(client, forbidden):
    program = PROGRAM.format(client=client)
    loaded = set(subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split())
    assert not loaded & (forbidden | {"pydantic", "jsonschema", "dispatcher", "moto"})
    assert ("botocore" in loaded) is client
