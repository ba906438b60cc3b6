"""`dispatcher package` on the command line."""

from __future__ import annotations

import pytest

from tests.functions.lambda_platform.packages import ARCH, PYTHON
from tests.packaging.conftest import wheelhouse  # noqa: F401 - a fixture


@pytest.fixture
def words(wheelhouse, tmp_path):  # noqa: F811 - the fixture
    wheelhouse.add("annotated-types", "0.8.0")
    return ["package", "--arch", ARCH, "--lock", str(wheelhouse.lock), "--output", str(tmp_path / "function.zip")]


def test_the_report_says_what_was_built_and_what_the_bytes_are(cli, words, tmp_path):
    said = cli.ok(*words, "--python", PYTHON)
    assert said["bytes"] == (tmp_path / "function.zip").stat().st_size
    assert [part["name"] for part in said["distributions"]] == ["push-dispatcher", "annotated-types"]
    assert said["bill_of_materials"] == str(tmp_path / "function.cdx.json")
    table = cli(*words, "--python", PYTHON)
    assert (table.exit_code, table.errors) == (0, ())
    assert f"sha256 {said['sha256']}" in table.out


def test_a_zip_without_bytecode_is_built_with_a_warning_unless_it_was_asked_for(cli, words, monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    words = [*words, "--python", "3.14" if PYTHON != "3.14" else "3.13"]
    said = cli(*words)
    assert said.exit_code == 0
    assert said.errors[0].startswith("warning: no CPython 3.1")
    assert cli(*words, "--no-compile").errors == ()


def test_a_wrong_word_is_reported_in_one_line(cli, words):
    assert cli(*words, "--python", "2.7").errors == (
        "error: python: '2.7' is not supported; it is one of 3.11, 3.12, 3.13, 3.14",
    )
    said = cli("package", "--lock", "/nonexistent/requirements.lock")
    assert (said.exit_code, len(said.errors)) == (1, 1)
    assert "the lock file cannot be read" in said.errors[0]
