"""Writes a Terraform root module for one pool, with the modules that it uses."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from dispatcher.errors import Fault, InvalidInput
from providers import registry

HERE = Path(__file__).parent
SHARED = "settings"
"""The module that every dispatcher's module uses."""
FIRST_TYPES: Mapping[str, str] = {"aws": "ecs:push", "gcp": "cloud-run-v2:push", "azure": "azure-container-instance:push"}
"""The pool type of a new root module, by the extra of its provider."""
PLACEHOLDER = '"work-pool"'
"""The name of the pool in `roots/`."""
LONGEST = 26
"""The longest name that all modules accept: the limit of a service account's name, less the suffix."""


@dataclass(frozen=True, kw_only=True)
class Template:
    """The root module for one kind of pool."""

    directory: str
    pool_module: str
    dispatcher_module: str
    package: str
    """The command that builds the dispatcher's zip."""
    page: str
    makes_store: bool = False


ROOTS: Mapping[str, Template] = {
    "aws": Template(
        directory="ecs",
        pool_module="ecs-pool",
        dispatcher_module="aws-dispatcher",
        package="dispatcher package --target aws-lambda --arch arm64 --python 3.13 --extras aws --output function.zip",
        page="infra/aws.md",
        makes_store=True,
    ),
    "gcp": Template(
        directory="cloud-run",
        pool_module="cloud-run-pool",
        dispatcher_module="gcp-dispatcher",
        package="dispatcher package --target google-cloud-function --extras gcp,postgres --output function.zip",
        page="infra/gcp.md",
    ),
    "azure": Template(
        directory="container-instance",
        pool_module="container-instance-pool",
        dispatcher_module="azure-dispatcher",
        package="dispatcher package --target azure-functions --extras azure,postgres --output function.zip",
        page="infra/azure.md",
    ),
}
"""By the extra of a provider type."""

MANAGED = "managed"

NOTHING_TO_MAKE: Mapping[str | None, str] = {
    None: "Its jobs are processes on the machine that ticks: there is nothing to provision. Try: dispatcher dev",
    "docker": "Its jobs are containers on engines that are there: there is nothing to provision. Give whoever ticks the "
    "right to use the engine's socket (that right is root on its host), or name other engines in DISPATCHER_DOCKER_HOSTS; "
    "providers/docker/README.md says how. Try: dispatcher doctor",
    MANAGED: "Its jobs run on what DISPATCHER_MANAGED names, where the dispatcher ticks. Provision a pool of that type "
    "(give it with --type), and put its job variables there; providers/managed/README.md says how.",
    "vertex": "Vertex AI makes the machines of a job when it starts. In the project: enable aiplatform.googleapis.com, ask "
    "for quota of custom model training, give the dispatcher's account roles/aiplatform.user, roles/iam.serviceAccountUser "
    "on the account that the jobs run as, and roles/logging.viewer for `dispatcher run logs`. See "
    "providers/vertex_ai/README.md.",
    "kubernetes": "Its jobs are Jobs in clusters that are there: there is nothing to provision. Give whoever ticks the "
    "Role of infra/kubernetes in the namespace, and name other clusters in DISPATCHER_KUBERNETES_CLUSTERS; "
    "infra/kubernetes/README.md describes how the dispatcher itself gets there. Try: dispatcher doctor",
    "modal": "Modal makes what a job needs when it starts: there is nothing to provision. Sign in with `modal token new`, or "
    "name a token in DISPATCHER_CREDENTIALS; infra/modal.md describes how the dispatcher itself gets there.",
}
"""Likewise, for types without a root module: what to do instead."""


@dataclass(frozen=True, kw_only=True)
class RootModule:
    """The files to write: contents by path within the directory."""

    files: Mapping[str, bytes]
    steps: tuple[str, ...]
    """The next command lines, to run in the directory."""
    page: str


def nothing_to_make(pool_type: str) -> str | None:
    """What to do instead, for types whose jobs need no infrastructure. Raises `ProviderUnavailable` for an unknown type."""
    kind = registry.provider_type(pool_type)
    return NOTHING_TO_MAKE.get(MANAGED if kind.template == "managed.json" else kind.extra)


def root_module(name: str, pool_type: str, *, with_dispatcher: bool = True, is_stored: bool = True) -> RootModule:
    """The files for a pool, and the next steps, which also create the pool if it is not stored yet.

    Raises `InvalidInput` if the modules are not installed.
    """
    root = ROOTS[str(registry.provider_type(pool_type).extra)]
    modules = (root.pool_module, *((root.dispatcher_module, SHARED) if with_dispatcher else ()))
    files = dict(_root_files(root, name, with_dispatcher=with_dispatcher))
    for module in modules:
        files |= dict(_module_files(module))
    files["versions.tf"] = files[f"modules/{root.pool_module}/versions.tf"]
    steps = _steps(root, with_dispatcher=with_dispatcher)
    # A dispatcher on AWS brings its own store, which has no pool yet.
    verb = "update" if is_stored and not (with_dispatcher and root.makes_store) else f"create --type {pool_type}"
    last = f"dispatcher work-pool {verb} {shlex.quote(name)} --job-variables <(terraform output -json job_variables)"
    return RootModule(files=files, steps=(*steps, last), page=root.page)


def write(module: RootModule, directory: Path, *, force: bool) -> list[str]:
    """Write the files, and return their paths. Raises `InvalidInput` for files that exist with other content, unless forced."""
    files = {directory / path: content for path, content in sorted(module.files.items())}
    changed = [path for path, content in files.items() if path.exists() and path.read_bytes() != content]
    if changed and not force:
        words = "exists; name another directory with --output, or give --force to write over it"
        raise InvalidInput("file", [Fault(str(path), words) for path in changed])
    for path, content in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return [str(path) for path in files]


def cloud_name(name: str) -> str:
    """The pool's name in a form that all three clouds accept: 3 to 26 lower-case letters, digits and hyphens, a letter
    first.
    """
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    plain = plain if re.match(r"[a-z]..", plain) else f"pool-{plain}"
    return plain[:LONGEST].strip("-")


def modules_directory() -> Path:
    """The directory of our modules: beside this file in a package, `infra/` in a clone. Raises `InvalidInput`."""
    directories = (HERE / "modules", HERE.parents[2] / "infra" / "modules")
    directory = next((path for path in directories if path.is_dir()), None)
    if directory is None:
        raise InvalidInput(
            "modules", [Fault(str(directories[0]), "is not there; install push-dispatcher anew, or use a clone")]
        )
    return directory


def _root_files(root: Template, name: str, *, with_dispatcher: bool) -> Iterator[tuple[str, bytes]]:
    head = f"# What the work pool {json.dumps(name)} needs, written by `dispatcher work-pool provision-infrastructure`.\n\n"
    for file in ("main.tf", *(("dispatcher.tf",) if with_dispatcher else ())):
        text = (HERE / "roots" / root.directory / file).read_text(encoding="utf-8")
        own = text.replace(PLACEHOLDER, f'"{cloud_name(name)}"')
        yield file, (head + own if file == "main.tf" else own).encode()


def _module_files(module: str) -> Iterator[tuple[str, bytes]]:
    """The files of a module itself, without its tests."""
    for path in sorted((modules_directory() / module).glob("*.tf")):
        yield f"modules/{module}/{path.name}", path.read_bytes()


def _steps(root: Template, *, with_dispatcher: bool) -> Iterator[str]:
    if with_dispatcher:
        yield root.package
    yield "terraform init && terraform apply"
    if with_dispatcher and root.makes_store:
        yield 'export DISPATCHER_STORE="$(terraform output -raw store)"'
