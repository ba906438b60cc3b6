"""The demo as users start it: real processes, the real emulator, the real handler."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from dispatcher.cli.commands.demo.emulated import Function
from dispatcher.errors import DispatcherError

POOLS = {
    "aws": "ecs:push",
    "gcp": "cloud-run-v2:push",
    "vertex": "vertex-ai",
    "azure": "azure-container-instance:push",
    "modal": "modal:push",
    "kube": "kubernetes",
}


@pytest.mark.parametrize("words", [("--speed", "8"), ("--ecs", "--speed", "8")], ids=["processes", "ecs"])
def test_the_demo_ends_by_itself_keeps_its_promises_and_leaves_nothing(words, cli, tmp_path, monkeypatch):
    (tmp_path / "store.db").unlink()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    said = cli.alone("demo", "--json", *words)
    assert (said.exit_code, said.errors) == (0, ())
    assert said.json["ok"]
    assert said.json["ends"] == {"COMPLETED": 27, "CRASHED": 1, "FAILED": 2}  # one is killed: exit code 137
    assert said.json["seconds"] < 60
    assert not list((tmp_path / "tmp").iterdir())
    assert not (tmp_path / "store.db").exists()
    assert processes_of(tmp_path) == []


@pytest.mark.parametrize(
    "words",
    [(), pytest.param(("--ecs",), marks=pytest.mark.long), pytest.param(("--all",), marks=pytest.mark.long)],
    ids=["processes", "ecs", "all"],
)
def test_ctrl_c_ends_the_demo_and_everything_it_started(words, cli, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    with cli.process("demo", *words) as process:
        for line in process.stdout:
            if " slots " in line or "COMPLETED" in line:
                break
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.strip() == ""
    assert not list((tmp_path / "tmp").iterdir())
    assert processes_of(tmp_path) == []


def test_without_the_emulators_extra_one_line_names_it(cli):
    said = cli.alone("demo", "--ecs", "--json", before="sys.modules['moto'] = None")
    assert (said.exit_code, said.out, len(said.errors)) == (1, "", 1)
    assert "pip install 'push-dispatcher[emulators]'" in said.errors[0]


@pytest.mark.long
def test_all_clouds_run_the_same_and_leave_nothing(cli, tmp_path, monkeypatch):
    (tmp_path / "store.db").unlink()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    said = cli.alone("demo", "--all", "--json", "--speed", "4")
    assert (said.exit_code, said.errors) == (0, ())
    assert said.json["ok"]
    assert said.json["seconds"] < 60
    assert [(pool["pool"], pool["type"], pool["ends"]) for pool in said.json["pools"]] == [
        (pool, kind, {"COMPLETED": 3, "FAILED": 1}) for pool, kind in POOLS.items()
    ]
    codes = {"extract": 0, "transform": 0, "check": 3, "load": 0}
    assert [(job["pool"], job["run"], job["exit_code"]) for job in said.json["jobs"]] == [
        (pool, name, code) for pool in POOLS for name, code in codes.items()
    ]
    pages = {POOLS[job["pool"]]: job["url"] for job in said.json["jobs"]}
    assert pages.pop("kubernetes") is None, "a cluster has no page of its own"
    assert all(page.startswith("https://") for page in pages.values())
    assert not list((tmp_path / "tmp").iterdir())
    assert not (tmp_path / "store.db").exists()
    assert processes_of(tmp_path) == []


@pytest.mark.parametrize("words", [("--all",), ("--ecs",)])
def test_a_demo_says_what_it_starts_before_it_loads_anything_of_it(words, cli):
    said = cli.alone("demo", *words, before="sys.modules['moto'] = sys.modules['providers.emulators.base'] = None")
    assert said.exit_code == 1
    assert said.out.startswith("Starting "), "the imports come after the first line"


@pytest.mark.parametrize(
    ("module", "extra"),
    [("moto", "emulators"), ("google.cloud.run_v2", "gcp"), ("azure.mgmt.containerinstance", "azure"), ("modal", "modal")],
)
def test_all_clouds_need_their_extras_and_one_line_says_which(module, extra, cli):
    said = cli.alone("demo", "--all", "--json", before=f"sys.modules[{module!r}] = None")
    assert (said.exit_code, said.out, len(said.errors)) == (1, "", 1)
    assert f"pip install 'push-dispatcher[{extra}]'" in said.errors[0]


def test_an_error_of_a_handler_is_reported_and_the_function_lives_on(tmp_path):
    function = Function("operator.getitem", {}, tmp_path / "log")
    try:
        with pytest.raises(DispatcherError, match="the function failed: TypeError: "):
            function.invoke({"a": 1})
        with pytest.raises(DispatcherError, match="the function failed: TypeError: "):
            function.invoke({"a": 2})
    finally:
        function.close()


def test_a_function_that_cannot_be_imported_says_why(tmp_path):
    function = Function("nowhere.handler", {}, tmp_path / "log")
    try:
        with pytest.raises(DispatcherError, match="its process has ended ModuleNotFoundError: No module named 'nowhere'"):
            function.invoke({})
    finally:
        function.close()


def processes_of(directory: Path) -> list[str]:
    """The command lines of processes that know of a directory: jobs, supervisors, functions."""
    holders = []
    for entry in Path("/proc").iterdir():
        try:
            process_data = (
                (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes() if entry.name.isdecimal() else b""
            )
        except OSError:
            continue
        if os.fsencode(directory) in process_data and int(entry.name) != os.getpid():
            holders.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return holders
