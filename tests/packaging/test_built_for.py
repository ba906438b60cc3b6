"""What a package was built for stands in it, and is compared with what it runs on before anything else of it is imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from zipfile import ZipFile

import pytest

from dispatcher.environment.built_for import WrongPlatform, check, content
from dispatcher.packaging.build import PackageRequest, build
from dispatcher.packaging.targets import target
from tests.packaging.test_build import ANNOTATED_TYPES

ARM = content("aws-lambda", "arm64", "3.13")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "built_for.json"
    path.write_text(ARM)
    return path


def test_a_package_runs_on_the_platform_that_it_was_built_for(file):
    check(file, "aarch64", (3, 13))


def test_without_a_package_every_platform_is_accepted(tmp_path):
    check(tmp_path / "built_for.json", "riscv64", (3, 99))


@pytest.mark.parametrize(
    ("machine", "version", "here"),
    [
        ("x86_64", (3, 12), "x86-64, Python 3.12"),
        ("x86_64", (3, 13), "x86-64, Python 3.13"),
        ("aarch64", (3, 12), "arm64, Python 3.12"),
        ("riscv64", (3, 13), "riscv64, Python 3.13"),
    ],
)
def test_another_architecture_or_python_is_named(file, machine, version, here):
    with pytest.raises(WrongPlatform, match=f"^built for arm64, Python 3.13; runs on {here}. Build it with"):
        check(file, machine, version)


def test_the_handler_of_a_package_for_another_python_says_so_before_it_imports_anything_else(wheelhouse, tmp_path):
    wheelhouse.add(**ANNOTATED_TYPES)
    other = "3.12" if sys.version_info[:2] != (3, 12) else "3.13"
    lambda_ = target("aws-lambda", arch="arm64", python=other)
    order = PackageRequest(
        target=lambda_, extras=("aws",), lock=wheelhouse.lock, output=tmp_path / "function.zip", compiled=False
    )
    with ZipFile(build(order).order.output) as archive:
        assert json.loads(archive.read("dispatcher/environment/built_for.json")) == {
            "target": "aws-lambda",
            "arch": "arm64",
            "python": other,
        }
        archive.extractall(tmp_path / "task")
    (tmp_path / "task/dispatcher/wiring.py").write_text("raise SystemExit('an import came first')")
    program = [sys.executable, "-S", "-c", "import dispatcher.functions.aws_lambda"]
    done = subprocess.run(program, cwd=tmp_path / "task", env={}, check=False, capture_output=True, text=True)
    assert f"WrongPlatform: built for arm64, Python {other}; runs on " in done.stderr


def test_a_second_build_needs_no_network(wheelhouse, tmp_path):
    wheelhouse.add(**ANNOTATED_TYPES)
    lambda_ = target("aws-lambda", arch="arm64", python="3.13")
    rest = {"target": lambda_, "extras": ("aws",), "lock": wheelhouse.lock, "compiled": False, "wheels": tmp_path / "kept"}
    first = build(PackageRequest(output=tmp_path / "first.zip", **rest))
    for wheel in wheelhouse.directory.glob("*.whl"):
        os.unlink(wheel)  # the index is out of reach
    second = build(PackageRequest(output=tmp_path / "second.zip", **rest))
    assert second.sha256 == first.sha256
