"""Numbers in a configuration file keep their words where the schema of a variable takes text."""

from __future__ import annotations

import pytest

FILE = """
pools:
  p:
    type: process
    base_job_template:
      job_configuration: {command: "{{ command }}", env: "{{ env }}", name: "{{ size }}", labels: "{{ tags }}"}
      variables:
        properties:
          command: {type: string, default: 0123}
          size: {type: integer, default: 010}
          tags: {type: object, additionalProperties: {type: string}}
          env: {type: object, default: {RELEASE: 2024.10}}
deployments:
  d:
    pool: p
    job_variables:
      command: 1e5
      size: 2
      tags: {version: 1.10, day: 2026-11-28}
      env:
        ZIP: 0123
        SHA: 83415e7
        DAY: 2026-11-28
        SWITCH: yes
        HEX: 0x1F
        BIG: 1e999
        DEBUG: true
        GONE: null
"""


def test_a_configuration_file_keeps_what_is_written(cli, a_file):
    cli.ok("apply", "-f", a_file("dispatcher.yaml", FILE))
    variables = cli.ok("deployment", "inspect", "d")["job_variables"]
    assert variables["env"] == {
        "ZIP": "0123",
        "SHA": "83415e7",
        "DAY": "2026-11-28",
        "SWITCH": "yes",
        "HEX": "0x1F",
        "BIG": "1e999",
        "DEBUG": True,
        "GONE": None,
    }
    assert (variables["command"], variables["size"]) == ("1e5", 2)
    assert variables["tags"] == {"version": "1.10", "day": "2026-11-28"}
    properties = cli.ok("work-pool", "inspect", "p")["base_job_template"]["variables"]["properties"]
    assert [properties[name]["default"] for name in ("command", "size", "env")] == ["0123", 10, {"RELEASE": "2024.10"}]


def test_an_applied_file_changes_nothing_when_applied_again_or_exported(cli, a_file):
    cli.ok("apply", "-f", a_file("dispatcher.yaml", FILE))
    assert cli("plan", "-f", a_file("dispatcher.yaml", FILE)).exit_code == 0
    exported = cli("export").out
    assert cli("plan", "-f", a_file("exported.yaml", exported)).exit_code == 0


def test_a_deployment_of_a_stored_pool_keeps_what_is_written(cli, a_file):
    cli.ok("apply", "-f", a_file("all.yaml", FILE))
    one = "deployments: {e: {pool: p, job_variables: {command: 007}}}"
    cli.ok("apply", "-f", a_file("one.yaml", one))
    assert cli.ok("deployment", "inspect", "e")["job_variables"] == {"command": "007"}


def test_a_template_in_a_file_of_its_own_keeps_what_is_written(cli, a_file):
    template = "job_configuration: {command: '{{ c }}'}\nvariables: {properties: {c: {type: string, default: 1.10}}}\n"
    a_file("template.yaml", template)
    cli.ok("apply", "-f", a_file("dispatcher.yaml", "pools: {p: {type: process, base_job_template: template.yaml}}"))
    properties = cli.ok("work-pool", "inspect", "p")["base_job_template"]["variables"]["properties"]
    assert properties["c"]["default"] == "1.10"


def test_a_boolean_for_a_text_is_refused_with_its_line(cli, a_file):
    said = cli("apply", "-f", a_file("dispatcher.yaml", FILE.replace("command: 1e5", "command: true")))
    assert said.exit_code == 1
    assert "dispatcher.yaml:17:7: deployments.d.job_variables.command: must be text (got true)" in said.errors[-1]


@pytest.mark.parametrize(
    "broken", ["pools: 1", "pools: [1]", "deployments: {d: 1}", "deployments: {d: {pool: [1], job_variables: {a: 1}}}"]
)
def test_a_file_of_the_wrong_shape_is_refused_with_a_message(cli, a_file, broken):
    said = cli("apply", "-f", a_file("dispatcher.yaml", broken))
    assert (said.exit_code, [line for line in said.errors if "fault of ours" in line]) == (1, [])
