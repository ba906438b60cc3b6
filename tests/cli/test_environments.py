"""One configuration for several environments: overlays, declared variables, and a plan for a pull request."""

from __future__ import annotations

import json

import pytest

from dispatcher.cli.output import markdown

BASE = """\
variables:
  TAG:
  REGION: eu-central-1
  LIMIT: 2
pools:
  batch:
    type: process
    concurrency_limit: ${LIMIT}
    queues:
      critical: {priority: 1}
      default: {priority: 2}
deployments:
  etl:
    pool: batch
    tags: [nightly, "${REGION}"]
    job_variables:
      command: 'echo ${TAG} in ${REGION} with ${HOME} and ${HOME:-x} and $${TAG}'
      env: {STAGE: base, TAG: "${TAG}", DEBUG: "1"}
"""

PRODUCTION = """\
variables: {LIMIT: 20}
pools:
  batch:
    queues:
      critical: {concurrency_limit: 5}
deployments:
  etl:
    tags: [production]
    job_variables:
      env: {STAGE: production, DEBUG: null}
"""


@pytest.fixture
def files(tmp_path):
    """Paths of a base and an overlay."""
    (tmp_path / "base.yaml").write_text(BASE)
    (tmp_path / "production.yaml").write_text(PRODUCTION)
    return str(tmp_path / "base.yaml"), str(tmp_path / "production.yaml")


def test_an_overlay_merges_mappings_replaces_lists_and_removes_by_null(cli, files):
    base, overlay = files
    cli.ok("apply", "-f", base, "--overlay", overlay, "--var", "TAG=1.10")
    stored = cli.ok("export")
    pool, deployment = stored["pools"]["batch"], stored["deployments"]["etl"]
    assert pool["concurrency_limit"] == 20
    assert pool["queues"]["critical"] == {"priority": 1, "concurrency_limit": 5}
    assert deployment["tags"] == ["production"]
    assert deployment["job_variables"]["env"] == {"STAGE": "production", "TAG": "1.10"}


def test_only_declared_variables_are_replaced_and_the_rest_is_byte_for_byte(cli, files):
    cli.ok("apply", "-f", files[0], "--var", "TAG=a ${REGION}", "--var", "LIMIT=3")
    stored = cli.ok("export")
    deployment = stored["deployments"]["etl"]
    assert stored["pools"]["batch"]["concurrency_limit"] == 3, "a number, as the default is"
    assert deployment["tags"] == ["nightly", "eu-central-1"]
    command = "echo a ${REGION} in eu-central-1 with ${HOME} and ${HOME:-x} and $a ${REGION}"
    assert deployment["job_variables"]["command"] == command, "a value is not read again"


def test_a_file_without_variables_is_read_literally(cli, tmp_path):
    (tmp_path / "plain.yaml").write_text("pools:\n  batch:\n    type: process\n    description: ${TAG}\n")
    cli.ok("apply", "-f", str(tmp_path / "plain.yaml"))
    assert cli.ok("export")["pools"]["batch"]["description"] == "${TAG}"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), "variables.TAG: has no value: give --var TAG=VALUE"),
        (("--var", "TAG=1", "--var", "OTHER=2"), "--var: OTHER: no file declares it under `variables`"),
        (("--var", "TAG"), "--var: 'TAG': give NAME=VALUE"),
        (("--var", "TAG=1", "--var", "LIMIT=many"), "must be a whole number, as its default is; --var gives 'many'"),
    ],
)
def test_a_wrong_variable_is_reported_in_one_line_that_says_what_to_give(words, expected, cli, files):
    refused = cli("plan", "-f", files[0], *words)
    assert refused.exit_code == 1
    (line,) = refused.errors
    assert expected in line


def test_a_fault_is_in_the_file_that_the_value_is_from(cli, files, tmp_path):
    (tmp_path / "wrong.yaml").write_text("pools:\n  batch:\n    concurrency_limt: 3\ndeployments:\n  etl:\n    queue: 7\n")
    refused = cli("plan", "-f", files[0], "--overlay", str(tmp_path / "wrong.yaml"), "--var", "TAG=1")
    assert refused.exit_code == 1
    assert [line.partition(":")[2].partition(": ")[0].strip() for line in refused.errors] == [
        f"{tmp_path / 'wrong.yaml'}:3:5",
        f"{tmp_path / 'wrong.yaml'}:6:5",
    ]


def test_an_overlay_may_declare_a_variable_that_has_to_be_given(cli, files, tmp_path):
    (tmp_path / "more.yaml").write_text('variables: {OWNER: }\ndeployments: {etl: {tags: ["${OWNER}"]}}\n')
    more = ("plan", "-f", files[0], "--overlay", str(tmp_path / "more.yaml"), "--var", "TAG=1")
    assert "variables.OWNER: has no value" in cli(*more).errors[0]
    assert cli(*more, "--var", "OWNER=data", "--json").exit_code == 2


def test_the_schema_for_editors_knows_variables(cli):
    schema = cli.ok("schema")
    assert schema["patternProperties"]["^variables$"]["type"] == "object"


def test_a_plan_for_a_pull_request_is_a_table_with_the_hash(cli, files):
    cli.ok("apply", "-f", files[0], "--var", "TAG=1")
    said = cli("plan", "-f", files[0], "--overlay", files[1], "--var", "TAG=2|`x`", "--format", "markdown")
    assert said.exit_code == 2
    lines = said.out.splitlines()
    assert lines[0] == "### dispatcher plan: 2 to change"
    assert "| change | work pool `batch` | `concurrency_limit` | `2` | `20` |" in lines
    rows = [line for line in lines if line.startswith("| ")]
    assert {row.replace("\\|", "").count("|") for row in rows} == {6}, "no value breaks out of its cell"
    assert (
        lines[-1]
        == f"Stored configuration: `{json.loads(cli('plan', '-f', files[0], '--var', 'TAG=1', '--json').out)['hash']}`"
    )


def test_a_plan_in_json_is_what_json_prints(cli, files):
    words = ("plan", "-f", files[0], "--var", "TAG=1")
    assert cli(*words, "--format", "json").out == cli(*words, "--json").out


def test_a_secret_is_hidden_in_markdown_too(cli, tmp_path):
    file = tmp_path / "secret.yaml"
    file.write_text(
        "pools: {batch: {type: process}}\ndeployments: {etl: {pool: batch, job_variables: {env: {API_TOKEN: hush}}}}\n"
    )
    said = cli("plan", "-f", str(file), "--format", "markdown")
    assert "hush" not in said.out
    assert "(hidden)" in said.out


def test_a_long_plan_ends_in_time_for_a_comment():
    fields = [
        {"path": f"job_variables.env.N{number}", "action": "change", "before": "a" * 500, "after": "b"} for number in range(900)
    ]
    change = {"action": "change", "noun": "deployment", "name": "etl", "fields": fields}
    text = markdown.plan({"owner": "", "drift": [], "changes": [change], "unnamed": [], "hash": "abc"})
    assert len(text) < 65_536
    assert "more fields: `dispatcher plan` shows them." in text


def test_a_deletion_is_one_row_and_stands_out():
    change = {
        "action": "delete",
        "noun": "work pool",
        "name": "old",
        "fields": [{"path": "type", "action": "delete", "before": 1, "after": None}],
    }
    text = markdown.plan(
        {"owner": "", "drift": [], "changes": [change], "unnamed": [{"noun": "work pool", "name": "other"}], "hash": "abc"}
    )
    assert "| **delete** | work pool `old` | | | |" in text
    assert "Not in the files, and left as they are: 1." in text
