"""The zip: what is in it, what is not, and that it is the same each time."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import MAGIC_NUMBER
from pathlib import Path
from zipfile import ZipFile

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from dispatcher import __version__
from dispatcher.errors import PackagingError
from dispatcher.packaging.archive import digest
from dispatcher.packaging.build import PackageRequest, build
from dispatcher.packaging.sources import LEFT_OUT, NEEDED, files
from dispatcher.packaging.targets import target
from tests.functions.lambda_platform.packages import PYTHON, here
from tests.packaging.conftest import opened

ANNOTATED_TYPES = {"name": "annotated-types", "version": "0.8.0", "fields": ["License-Expression: MIT"]}


def an_order_of(wheelhouse, output, **rest):
    return PackageRequest(**{"target": here(), "extras": ("aws",), "lock": wheelhouse.lock, "output": output, **rest})


ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """One package, for those who only look at it."""
    directory = tmp_path_factory.mktemp("built")
    with opened(directory / "wheelhouse") as wheelhouse:
        wheelhouse.add(**ANNOTATED_TYPES)
        yield build(an_order_of(wheelhouse, directory / "function.zip"))


@pytest.fixture
def an_order(wheelhouse, tmp_path):
    """An order of a test's own, from its own wheels."""
    wheelhouse.add(**ANNOTATED_TYPES)
    return lambda name="function.zip", **rest: an_order_of(wheelhouse, tmp_path / name, **rest)


def names(package):
    with ZipFile(package.order.output) as archive:
        return archive.namelist()


def test_the_zip_holds_handler_store_and_providers_and_nothing_unused(built):
    held = names(built)
    for needed in (
        "dispatcher/functions/aws_lambda.py",
        "dispatcher/stores/dynamodb/store.py",
        "dispatcher/stores/sql/statements.sql",
        "providers/ecs/provider.py",
        "providers/templates/ecs.json",
        "annotated_types/__init__.py",
        "annotated_types-0.8.0.dist-info/METADATA",
    ):
        assert needed in held
    assert not [
        name for name in held if name.startswith(("dispatcher/cli/", "dispatcher/packaging/", "providers/emulators/", "tests/"))
    ]
    assert not [name for name in held if name.startswith(("boto3", "botocore", "pydantic", "jsonschema"))]


@pytest.mark.parametrize("room", ["dispatcher", "providers"])
def test_no_file_of_ours_is_of_a_kind_that_the_package_would_leave_out(room):
    ours = (path for path in (ROOT / room).rglob("*") if path.is_file())
    kinds = {path.suffix for path in ours if not path.relative_to(ROOT).as_posix().startswith(LEFT_OUT)}
    assert kinds - {".pyc", ".typed", ".md"} == NEEDED & kinds


def test_two_builds_of_one_input_are_the_same_bytes_wherever_they_are_made(built, an_order):
    first, second = built, build(an_order("elsewhere/other.zip"))
    assert first.sha256 == second.sha256 == digest(second.order.output)
    assert first.order.output.read_bytes() == second.order.output.read_bytes()
    bills = [json.loads(package.order.bill.read_text()) for package in (first, second)]
    assert bills[0] == bills[1]


def test_every_source_has_bytecode_that_this_python_reads_without_asking_for_the_source(built):
    assert built.interpreter.startswith(PYTHON)
    with ZipFile(built.order.output) as archive:
        sources = [name for name in archive.namelist() if name.endswith(".py")]
        compiled = [name for name in archive.namelist() if name.endswith(".pyc")]
        heads = {archive.read(name)[:8] for name in compiled}
        assert b"/var/task/dispatcher/ticking/line.py" in archive.read(
            f"dispatcher/ticking/__pycache__/line.{sys.implementation.cache_tag}.pyc"
        )
    assert len(sources) == len(compiled)
    assert heads == {MAGIC_NUMBER + (0b01).to_bytes(4, "little")}, "a hash, unchecked (PEP 552)"


def test_entries_are_sorted_and_have_one_time_and_one_mode(built):
    with ZipFile(built.order.output) as archive:
        entries = archive.infolist()
    assert [entry.filename for entry in entries] == sorted(entry.filename for entry in entries)
    assert {(entry.date_time, entry.external_attr >> 16) for entry in entries} == {((1980, 1, 1, 0, 0, 0), 0o100644)}


def test_the_parts_add_up_to_what_is_in_the_zip(built):
    with ZipFile(built.order.output) as archive:
        entries = archive.infolist()
    assert sum(part.files for part in built.parts) == len(entries)
    assert sum(part.unpacked for part in built.parts) == sum(entry.file_size for entry in entries)
    assert sum(part.zipped for part in built.parts) == sum(entry.compress_size for entry in entries)
    assert [part.name for part in built.parts] == ["push-dispatcher", "annotated-types"]
    assert built.size == built.order.output.stat().st_size


def test_the_zip_for_ecs_and_dynamodb_is_under_3_million_bytes(built):
    assert built.size < 3_000_000


def test_the_bridge_to_a_prefect_server_is_in_a_zip_that_has_what_it_needs_and_in_no_other(built):
    assert not [name for name in names(built) if name.startswith("dispatcher/prefect/")]
    assert "dispatcher/prefect/source.py" in dict(files(extras=("aws", "prefect")))


def test_without_an_interpreter_of_that_version_there_is_no_bytecode_and_the_answer_says_so(an_order, monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    other = "3.14" if PYTHON != "3.14" else "3.13"
    built = build(an_order(target=target("aws-lambda", arch="arm64", python=other)))
    assert built.interpreter is None
    assert not [name for name in names(built) if name.endswith(".pyc")]


def test_an_interpreter_of_another_version_is_refused(an_order):
    other = "3.14" if PYTHON != "3.14" else "3.13"
    with pytest.raises(PackagingError, match=rf"compile-with: {sys.executable} is not CPython {other}"):
        build(an_order(target=target("aws-lambda", arch="arm64", python=other), compile_with=sys.executable))


def test_a_source_that_does_not_compile_is_an_error_that_names_it(wheelhouse, an_order):
    order = an_order()
    wheelhouse.add("psycopg", "3.3", extras=["binary"], files={"psycopg/__init__.py": "def ("})
    wheelhouse.add("psycopg-binary", "3.3")
    with pytest.raises(PackagingError, match="psycopg/__init__"):
        build(an_order(extras=("postgres",), lock=wheelhouse.lock))
    assert not order.output.exists()


def test_two_distributions_that_bring_different_files_of_one_name_are_refused(wheelhouse, an_order):
    needs = {"psycopg": ["psycopg-binary"], "psycopg-binary": []}
    for name, requires in needs.items():
        wheelhouse.add(name, "3.3", requires=requires, files={"shared/__init__.py": f"NAME = {name!r}"})
    with pytest.raises(PackagingError, match=r"psycopg and psycopg-binary bring different files named shared/__init__\.py"):
        build(an_order(extras=("postgres",), lock=wheelhouse.lock))


def test_scripts_headers_and_tests_of_a_wheel_stay_out_and_its_data_goes_where_it_is_installed(wheelhouse, an_order):
    an_order()
    inside = {
        "psycopg/__init__.py": "",
        "psycopg/tests/test_it.py": "",
        "psycopg-3.3.data/purelib/psycopg/more.py": "",
        "psycopg-3.3.data/scripts/psycopg": "",
        "psycopg-3.3.data/headers/psycopg.h": "",
    }
    wheelhouse.add("psycopg", "3.3", files=inside)
    packed = names(build(an_order(extras=("postgres",), lock=wheelhouse.lock)))
    ours = [name for name in packed if name.startswith("psycopg") and name.endswith(".py")]
    assert ours == ["psycopg/__init__.py", "psycopg/more.py"]
    assert not [name for name in packed if ".data/" in name]


def test_the_bill_of_materials_is_valid_cyclonedx_and_names_what_is_in_the_zip(built):
    text = built.order.bill.read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    bill = json.loads(text)
    assert bill["metadata"]["component"]["hashes"] == [{"alg": "SHA-256", "content": built.sha256}]
    (component,) = bill["components"]
    assert (component["purl"], component["licenses"]) == ("pkg:pypi/annotated-types@0.8.0", [{"expression": "MIT"}])
    assert bill["dependencies"][0] == {"ref": f"pkg:pypi/push-dispatcher@{__version__}", "dependsOn": [component["bom-ref"]]}


def test_the_packaged_bytecode_is_what_python_runs(built, tmp_path):
    with ZipFile(built.order.output) as archive:
        archive.extractall(tmp_path)
    (tmp_path / "dispatcher/errors.py").write_text("raise SystemExit('the source was read')")
    program = [sys.executable, "-S", "-c", "import dispatcher.errors"]
    assert subprocess.run(program, cwd=tmp_path, env={}, check=False).returncode == 0
