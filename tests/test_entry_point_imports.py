"""What each entry point imports: a library, or a room of ours, that it can do without costs time at every start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dispatcher.stores.sqlite import SqliteStore
from providers import registry
from tests.builders import a_pool

COMMAND = """
import sys
sys.argv = ["dispatcher", *{words!r}]
from dispatcher.cli.main import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
"""
LOADED = "\nimport sys\nprint('\\n', *sorted(sys.modules))"
OURS = frozenset({"dispatcher", "providers"})

ALWAYS = {"annotated_types", "typing_extensions"}
TICKED = {f"dispatcher.{room}" for room in ("core", "delivery", "environment", "errors", "models")}
TICKED |= {f"dispatcher.{room}" for room in ("stores", "ticking", "waking", "wiring")}
TICKED |= {"providers.base", "providers.deadlines", "providers.registry"}
PROCESS = {"providers.process", "providers.remarks", "providers.signals"}
READS = TICKED | {"dispatcher.cli", "dispatcher.client"}

COMMANDS = {
    "--help": ({"click"}, {"dispatcher.cli", "dispatcher.errors"}),
    "--version": ({"click"}, {"dispatcher.cli", "dispatcher.errors"}),
    "run ls": ({"click", "rich", *ALWAYS}, READS),
    "run ls --json": ({"click", *ALWAYS}, READS),
    "run create -p pool -jv command=true --json": ({"click", *ALWAYS}, READS | PROCESS | {"dispatcher.validation"}),
    "run create -p pool -jv command=true": ({"click", "rich", *ALWAYS}, READS | PROCESS | {"dispatcher.validation"}),
    "tick --json": ({"click", *ALWAYS}, READS | PROCESS),
}
"""By command: the libraries, and the rooms of ours."""

FUNCTIONS = {
    "aws_lambda": set(),
    "cloud_function": {"cryptography", "google"},
    "azure_function": {"azure", "markupsafe", "werkzeug"},
    "modal_cron": {
        *("cbor2", "certifi", "google", "grpclib", "h2", "hpack", "hyperframe", "modal", "modal_proto", "modal_version"),
        *("multidict", "synchronicity", "toml"),
    },
}
"""By function: the libraries of its platform's host. None loads a store's driver, a cloud's SDK or a validation library."""


def loaded_by(program: str, **environment: str) -> tuple[set[str], set[str]]:
    """The libraries and the rooms of ours that a program loads in a fresh interpreter, beyond what any program does."""
    names = modules_of(program, **environment) - modules_of("")
    libraries = {root for name in names if not (root := name.partition(".")[0]).startswith("_")}
    rooms = {".".join(name.split(".")[:2]) for name in names if name.partition(".")[0] in OURS and "." in name}
    return libraries - sys.stdlib_module_names - OURS, rooms


def modules_of(program: str, **environment: str) -> set[str]:
    process = subprocess.run(
        [sys.executable, "-c", program + LOADED], check=False, capture_output=True, text=True, env={**os.environ, **environment}
    )
    assert process.returncode == 0, process.stderr
    return set(process.stdout.splitlines()[-1].split())


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    path: Path = tmp_path_factory.mktemp("imports") / "store.db"
    store = SqliteStore(path)
    store.save_pool(a_pool(base_job_template=registry.default_template("process")), expected_version=None)
    store.close()
    return f"sqlite:///{path}"


@pytest.mark.parametrize("words", COMMANDS)
def test_a_command_imports_what_it_needs(words, store, tmp_path):
    program = COMMAND.format(words=words.split())
    assert loaded_by(program, DISPATCHER_STORE=store, DISPATCHER_PROCESS_DIRECTORY=str(tmp_path)) == COMMANDS[words]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_imports_what_its_platform_needs(name):
    inside = {"MODAL_IS_REMOTE": "1"} if name == "modal_cron" else {}
    libraries, rooms = loaded_by(f"import dispatcher.functions.{name}", **inside)

    assert libraries <= FUNCTIONS[name] | ALWAYS
    assert rooms == TICKED | {"dispatcher.functions"}


TICK = """
from dispatcher.functions.aws_lambda import handler
class Context:
    def get_remaining_time_in_millis(self):
        return 60_000
assert [pool["problem"] for pool in handler({"pool": "pool"}, Context())["pools"]] == [""]
"""


def test_a_tick_without_automations_loads_none_of_their_modules(store, tmp_path):
    modules = modules_of(TICK, DISPATCHER_STORE=store, DISPATCHER_PROCESS_DIRECTORY=str(tmp_path))
    assert "dispatcher.ticking.submitting" in modules
    assert modules.isdisjoint({"dispatcher.ticking.automating", "dispatcher.ticking.firings", "dispatcher.core.deeds"})


@pytest.mark.parametrize("function", ["aws_lambda", "cloud_function", "modal_cron"])
def test_a_function_begins_without_looking_for_cycles_at_every_import(function):
    program = f"import gc\nseen = []\ngc.callbacks.append(lambda *_: seen.append(1))\nimport dispatcher.functions.{function}\n"
    modules_of(f"{program}assert gc.isenabled() and len(seen) < 40, len(seen)")
