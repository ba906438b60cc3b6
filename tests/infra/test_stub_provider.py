"""What the proof of the Google and Azure modules rests on: mistakes of every kind that a schema can show are noticed."""

from __future__ import annotations

import shutil

import pytest

from tests.infra.clouds import on_the_stub
from tests.infra.stub_provider import schemas
from tests.infra.terraform import INFRA, installed

pytestmark = installed

GCP, AZURE = "modules/gcp-dispatcher", "modules/azure-dispatcher"
MISTAKES = {
    "an argument is misspelt": (
        GCP,
        "package.tf",
        "uniform_bucket_level_access =",
        "uniform_bucket_level_acces =",
        "Unsupported argument",
    ),
    "an argument deep inside is misspelt": (GCP, "main.tf", "retry_count = 0", "retry_counts = 0", "Unsupported argument"),
    "an argument of Azure is misspelt": (
        AZURE,
        "functions.tf",
        "instance_memory_in_mb ",
        "instance_memory_mb ",
        "Unsupported argument",
    ),
    "a required argument is missing": (AZURE, "functions.tf", 'sku_name            = "FC1"', "", "Missing required argument"),
    "a number is a word": (
        GCP,
        "functions.tf",
        "min_instance_count               = 0",
        'min_instance_count = "few"',
        "a number is required",
    ),
    "a list is a word": (AZURE, "iam.tf", "principal_type       =", "condition = [1]\n principal_type =", "string required"),
    "a block is an argument": (
        GCP,
        "main.tf",
        "retry_config {\n    retry_count = 0\n  }",
        "retry_config = 0",
        "Unsupported argument",
    ),
    "an argument is a block": (AZURE, "functions.tf", "identity_ids = [", "identity_ids {}\n x = [", "Unsupported block type"),
    "a required block is missing": (GCP, "main.tf", "replication {", "rotation {", "Insufficient replication blocks"),
    "a block stands twice": (
        GCP,
        "main.tf",
        "    oidc_token {",
        'oidc_token { service_account_email = "x" }\n    oidc_token {',
        "Too many oidc_token blocks",
    ),
    "a resource type is misspelt": (
        GCP,
        "iam.tf",
        '"google_cloud_run_service_iam_member"',
        '"google_cloud_run_services_iam_member"',
        "Invalid resource type",
    ),
    "an attribute that is not there is read": (
        GCP,
        "outputs.tf",
        'google_service_account.this["tick"].email',
        'google_service_account.this["tick"].mail',
        "Unsupported attribute",
    ),
    "what only Azure gives is given": (
        AZURE,
        "functions.tf",
        "  https_only          = true",
        '  default_hostname = "x"',
        "default_hostname is the provider's to give",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_noticed(mistake, tmp_path):
    module, file, right, wrong, words = MISTAKES[mistake]
    shutil.copytree(INFRA, tmp_path / "broken")
    path = tmp_path / "broken" / module / file
    text = path.read_text()
    assert right in text
    path.write_text(text.replace(right, wrong, 1))
    with on_the_stub(tmp_path, module, infra=tmp_path / "broken") as terraform:
        refused = terraform.refusal("init", "-input=false") or terraform.refusal("validate")
    assert words in refused


@pytest.mark.parametrize("name", schemas.PROVIDERS)
def test_each_schema_states_its_source(name):
    stored = schemas.stored(name)
    assert stored["source"].startswith(f"@cdktf/provider-{name}@")
    assert (stored["licence"], len(stored["version"].split("."))) == ("MPL-2.0", 3)


def test_the_modules_allow_the_version_whose_schema_was_looked_at():
    for name, (least, below) in {"google": ("6.50", "8.0"), "azurerm": ("4.55", "5.0")}.items():
        stored = schemas.stored(name)
        assert _numbers(least) <= _numbers(stored["version"]) < _numbers(below)
        pins = {f'">= {least}, < {below}"'} | {f'">= {_minor(newer["version"])}, < {below}"' for newer in _newer(stored)}
        named = [path for path in INFRA.rglob("versions.tf") if f'"hashicorp/{name}"' in path.read_text()]
        assert len(named) > 2
        assert [path for path in named if not any(pin in path.read_text() for pin in pins)] == []


def test_a_module_with_what_is_newer_asks_for_a_version_that_has_it():
    (newer,) = _newer(schemas.stored("google"))
    using = {path.parent for path in INFRA.rglob("*.tf") if "direct_vpc" in path.read_text()}
    assert using == {INFRA / "modules/gcp-dispatcher"}
    for directory in using:
        assert f'">= {_minor(newer["version"])}, < 8.0"' in (directory / "versions.tf").read_text()


def _newer(stored):
    return [stored["newer"]] if "newer" in stored else []


def _minor(version: str) -> str:
    return version.rpartition(".")[0]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
