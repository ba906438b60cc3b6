"""Every provider type by its name, without paying for the others."""

import importlib.util
import json
import subprocess
import sys

import pytest

from providers import registry
from providers.base import ProviderUnavailable

HEAVY = (
    "docker",
    "requests",
    "urllib3",
    "yaml",
    "boto3",
    "botocore",
    "google.api_core",
    "azure.core",
    "modal",
    "grpc",
    "pydantic",
    "jsonschema",
    "importlib.resources",
)


def test_the_registry_lists_its_types_in_a_fixed_order_under_prefects_names():
    assert registry.types() == (
        "process",
        "docker",
        "kubernetes",
        "ecs:push",
        "cloud-run-v2:push",
        "cloud-run:push",
        "azure-container-instance:push",
        "modal:push",
        "vertex-ai",
        "managed",
        "prefect:managed",
        "ecs",
        "cloud-run-v2",
        "cloud-run",
        "azure-container-instance",
        "modal",
    )


@pytest.mark.parametrize("name", registry.types())
def test_every_type_is_described(name):
    kind = registry.provider_type(name)
    assert kind.name == name
    assert kind.description
    assert (kind.extra is None) == (kind.sdk is None) == (kind.credential_variable is None)


@pytest.mark.parametrize("name", registry.types())
def test_every_type_has_a_default_template_that_is_new_each_time(name):
    first = registry.default_template(name)
    assert set(first) == {"job_configuration", "variables"}
    first["job_configuration"].clear()
    assert registry.default_template(name)["job_configuration"]


@pytest.mark.parametrize("name", registry.types())
def test_every_type_whose_sdk_is_installed_can_be_made_and_states_its_limits(name):
    sdk = registry.provider_type(name).sdk
    if sdk is not None and importlib.util.find_spec(sdk.partition(".")[0]) is None:
        pytest.skip(f"{sdk} is not installed")
    assert registry.create(name, credentials={"somebody": {}}).limits.concurrency >= 1


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("ecs-push", "did you mean ecs:push"),
        ("Modal:Push", "did you mean modal:push"),
        ("slurm", "the types are process, docker, kubernetes, ecs:push,"),
        ("", "the types are process, docker, kubernetes, ecs:push,"),
    ],
)
def test_the_error_for_an_unknown_type_has_the_nearest_names_or_all(name, hint):
    with pytest.raises(ProviderUnavailable, match=hint):
        registry.provider_type(name)
    with pytest.raises(ProviderUnavailable, match=hint):
        registry.create(name)
    with pytest.raises(ProviderUnavailable, match=hint):
        registry.default_template(name)


def test_an_unknown_option_names_the_type_and_the_option():
    with pytest.raises(ProviderUnavailable, match=r"options of provider type 'process'.*colour"):
        registry.create("process", options={"colour": "red"})


WITHOUT_SDKS = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("boto3", "botocore", "google", "azure", "modal", "docker", "urllib3"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
import json
from providers import registry
from providers.base import ProviderUnavailable
answers = {}
for name in registry.types():
    try:
        registry.create(name)
        answers[name] = "made"
    except ProviderUnavailable as problem:
        answers[name] = str(problem)
print(json.dumps(answers))
"""


def test_a_missing_sdk_disables_its_types_alone_with_the_line_that_adds_it():
    answers = json.loads(_python(WITHOUT_SDKS))
    without = {name for name in registry.types() if registry.provider_type(name).extra is None}
    assert {answers[name] for name in without} == {"made"}
    for name in set(registry.types()) - without:
        extra = registry.provider_type(name).extra
        assert answers[name].endswith(f"is not installed: pip install 'push-dispatcher[{extra}]'")


def test_the_registry_itself_loads_no_sdk():
    loaded = json.loads(_python("import json, sys, providers.registry; print(json.dumps(sorted(sys.modules)))"))
    assert not set(HEAVY) & set(loaded)


def _python(program):
    return subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60).stdout
