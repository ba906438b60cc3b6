"""Make the stored schemas anew: `python -m tests.infra.stub_provider.extract` (needs npm).

The real schemas are in the plug-ins, and in what is generated from them: the prebuilt bindings of CDK for Terraform on npm
(MPL-2.0), from which this takes names, types, what is required, and how blocks nest. Nothing of their code is kept.
"""

from __future__ import annotations

import json
import re
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.infra.stub_provider.schemas import DIRECTORY

PACKAGES = {"google": "@cdktf/provider-google@16.12.1", "azurerm": "@cdktf/provider-azurerm@14.23.1"}
THINGS: Mapping[str, tuple[str, ...]] = {
    "google": (
        *("cloudfunctions2-function", "cloud-scheduler-job", "cloud-run-service-iam-member"),
        *("service-account", "service-account-iam-member", "project-iam-custom-role", "project-iam-member", "project-service"),
        *("secret-manager-secret", "secret-manager-secret-version", "secret-manager-secret-iam-member"),
        *("storage-bucket", "storage-bucket-object", "monitoring-alert-policy", "logging-metric"),
        *("iam-workload-identity-pool", "iam-workload-identity-pool-provider"),
        *("logging-project-sink", "pubsub-subscription", "pubsub-topic", "pubsub-topic-iam-binding"),
    ),
    "azurerm": (
        *("resource-group", "user-assigned-identity", "federated-identity-credential", "role-assignment", "role-definition"),
        *("service-plan", "function-app-flex-consumption", "storage-account", "storage-container"),
        *("key-vault", "key-vault-secret", "application-insights", "log-analytics-workspace"),
        *("monitor-scheduled-query-rules-alert-v2", "data-azurerm-client-config", "data-azurerm-resource-group"),
    ),
}
"""What is taken, by the folder's name in the package."""

NEWER: Mapping[str, Mapping[str, Any]] = {
    "google": {
        "version": "7.21.0",
        "source": "pulumi-gcp@10.2.0",
        "licence": "Apache-2.0",
        "google_cloudfunctions2_function": {
            "service_config": {
                "attributes": {"direct_vpc_egress": "string?"},
                "blocks": {
                    "direct_vpc_network_interface": {
                        "nesting": "list 0 0",
                        "attributes": {"network": "string?", "subnetwork": "string?", "tags": "list(string)?"},
                    }
                },
            }
        },
    }
}
"""What a version has that is newer than the last bindings of CDK for Terraform: by resource type and block.

The version is the one that https://cloud.google.com/functions/docs/running/direct-vpc asks for.
"""

SIMPLE = {"string": "string", "number": "number", "boolean": "bool"}
COMPUTED = {"String": "string", "Number": "number", "Boolean": "bool", "List": "list(string)", "StringMap": "map(string)"}

Fields = list[tuple[str, bool, str]]
"""Name, whether it has to be given, and the type in TypeScript."""


@dataclass(frozen=True, kw_only=True)
class Module:
    """One folder of a package: its declarations, and the code that says what is a block."""

    declarations: str
    code: str

    @property
    def interfaces(self) -> dict[str, Fields]:
        """What may be given, by the interface's name."""
        matches = re.finditer(r"export interface (\w+)(?: extends [\w.]+)? \{\n(.*?)\n\}", self.declarations, re.S)
        return {match[1]: list(_fields(match[2])) for match in matches}

    @property
    def root(self) -> str:
        """The interface of the resource, data source or provider itself."""
        end = "Config" if "extends cdktf.TerraformMetaArguments" in self.declarations else "ProviderConfig"
        return next(name for name in self.interfaces if name.endswith(end))

    @property
    def kinds(self) -> dict[str, dict[str, tuple[bool, str]]]:
        """For each interface in lower case (empty: the root): attribute -> whether it is a block, and what holds several."""
        types = {
            match[1].lower(): _attributes(match[2])
            for match in re.finditer(r"function (\w+)ToHclTerraform\(struct\) \{(.*?)\n\}", self.code, re.S)
        }
        whole = re.search(r"synthesizeHclAttributes\(\) \{(.*?)\n    \}", self.code, re.S)
        return {**types, "": _attributes(whole[1]) if whole else {}}

    def computed(self, interface: str | None = None) -> dict[str, str]:
        """What can be read and not given: of a block's class, or of the last one in the file, which is the thing's own."""
        name = f"\nclass {interface}OutputReference" if interface else "\nclass "
        start = self.code.find(f"{name} ") if interface else self.code.rindex(name)
        text = self.code[start : _end(self.code, start)] if start >= 0 else ""
        getter = r"get \w+\(\) \{\s*return (?:cdktf\.Fn\.tolist\()?this\.get(\w+?)Attribute\('([a-z0-9_]+)'\)"
        single = {match[2]: COMPUTED.get(match[1], "any") for match in re.finditer(getter, text)}
        several = re.findall(r"new \w+List\(this, \"([a-z0-9_]+)\", (?:true|false)\)", text)
        return dict.fromkeys(several, "any") | single

    @property
    def type_name(self) -> str:
        """As Terraform calls it; empty for the provider."""
        match = re.search(r"tfResourceType = \"(\w+)\"", self.code)
        return match[1] if match else ""


def _end(code: str, start: int) -> int:
    following = code.find("\nclass ", start + 1)
    return following if following >= 0 else len(code)


def _fields(body: str) -> Iterator[tuple[str, bool, str]]:
    for match in re.finditer(r"/\*\*(.*?)\*/\s*readonly (\w+)(\??): ((?:\{.*?\n    \}|[^;{]+));", body, re.S):
        link = re.search(r"#([a-z0-9_]+) ", match[1])
        name = link[1] if link else re.sub(r"(?<!^)(?=[A-Z])", "_", match[2]).lower()
        yield name, match[3] != "?", " ".join(match[4].split())


def _attributes(body: str) -> dict[str, tuple[bool, str]]:
    entries = re.finditer(r"\n\s+(\w+): \{\s*value: .*?,\s*isBlock: (true|false),\s*type: \"(\w+)\"", body, re.S)
    return {match[1]: (match[2] == "true", match[3]) for match in entries}


def _type(text: str, interfaces: Mapping[str, Fields]) -> tuple[str, str | None, bool]:
    """A TypeScript type as ours, the interface it names, and whether there may be several."""
    text = _plain(text)
    several, core = text.endswith("[]"), text.removesuffix("[]")
    if core in SIMPLE:
        return (f"list({SIMPLE[core]})" if several else SIMPLE[core]), None, several
    if keyed := re.match(r"\{\s*\[key: string\]:\s*([^;]+);\s*\}", core):
        return f"map({SIMPLE.get(_plain(keyed[1]), 'any')})", None, several
    return "any", core if core in interfaces else None, several


def _plain(text: str) -> str:
    return re.sub(r"\s*\|\s*cdktf\.IResolvable", "", text).strip()


def block(module: Module, name: str | None = None) -> dict[str, Any]:
    """A block's attributes and blocks, all the way down."""
    interfaces, here = module.interfaces, module.kinds.get((name or "").lower(), {})
    attributes: dict[str, str] = {}
    blocks: dict[str, Any] = {}
    for field, required, text in interfaces[name or module.root]:
        kind, nested, several = _type(text, interfaces)
        is_block, held = here.get(field, (nested is not None, "list"))
        if nested and is_block:
            single, most = held == "struct", 0 if several or held == "struct" else 1
            nesting = f"{'single' if single else held} {int(required and not single)} {most}"
            blocks[field] = {"nesting": nesting, **block(module, nested)}
        else:
            kind = kind.replace("list(", "set(", 1) if held == "set" else kind
            # Every resource's id is the provider's to give, though the bindings let it be said.
            attributes[field] = kind + ("!" if required else "=" if field == "id" and name is None else "?")
    for field, kind in module.computed(name).items():
        if field not in blocks:
            attributes.setdefault(field, f"{kind}=")
    return {key: value for key, value in (("attributes", attributes), ("blocks", blocks)) if value}


def schemas(package: Path, things: tuple[str, ...], source: str) -> dict[str, Any]:
    """Everything that is stored of one provider."""
    document: dict[str, Any] = {"source": source, "licence": "MPL-2.0", "resources": {}, "data": {}}
    version = ""
    for thing in ("provider", *things):
        module = Module(
            declarations=(package / "lib" / thing / "index.d.ts").read_text(),
            code=(package / "lib" / thing / "index.js").read_text(),
        )
        if thing == "provider":
            document["provider"] = block(module)
        else:
            document["data" if thing.startswith("data-") else "resources"][module.type_name] = block(module)
        stated = re.search(r"providerVersion: '([\d.]+)'", module.code)
        version = stated[1] if stated else version
    return {"version": version, **document}


def with_newer(document: dict[str, Any], newer: Mapping[str, Any]) -> dict[str, Any]:
    """The schemas with what a newer version has besides, and where that is from."""
    origin = {key: value for key, value in newer.items() if isinstance(value, str)}
    for name, blocks in newer.items():
        if name not in origin:
            for block_name, further in blocks.items():
                place = document["resources"][name]["blocks"][block_name]
                for part, values in further.items():
                    place[part] = {**place[part], **values}
    return {**document, "newer": origin} if origin else document


def written(document: Mapping[str, Any]) -> str:
    """JSON with a line for each type, so that a change is seen where it is."""
    lines = []
    for key, value in document.items():
        if key in ("resources", "data"):
            types = ",\n".join(
                f"  {json.dumps(name)}: {json.dumps(value[name], separators=(',', ':'))}" for name in sorted(value)
            )
            lines.append(f'"{key}": {{\n{types}\n}}')
        else:
            lines.append(f'"{key}": {json.dumps(value, separators=(",", ":"))}')
    return "{\n" + ",\n".join(lines) + "\n}\n"


def main() -> None:
    """Fetch the packages and write the schemas."""
    for provider, source in PACKAGES.items():
        with tempfile.TemporaryDirectory() as directory:
            subprocess.run(["npm", "pack", "--silent", source], cwd=directory, check=True)
            with tarfile.open(next(Path(directory).glob("*.tgz"))) as archive:
                archive.extractall(directory, filter="data")
            document = schemas(Path(directory) / "package", THINGS[provider], source)
        document = with_newer(document, NEWER.get(provider, {}))
        (DIRECTORY / f"{provider}.json").write_text(written(document))
        print(provider, document["version"], len(document["resources"]), "resources", len(document["data"]), "data sources")


if __name__ == "__main__":
    main()
