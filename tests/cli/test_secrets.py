"""Secrets that stand where none should: no output shows them but the one that is asked for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from dispatcher.core.redaction import HIDDEN

SECRETS = ("hunter-pool", "hunter-deployment", "hunter-run", "hunter-default", "hunter-key", "hunter-url")
TEMPLATE = {
    "job_configuration": {
        "command": "{{ command }} --key={{ key }}",
        "env": "{{ env }}",
        "labels": {"access_key": "{{ access_key }}"},
    },
    "variables": {
        "type": "object",
        "properties": {
            "command": {"type": "string"},
            "env": {"type": "object", "default": {"API_TOKEN": "hunter-pool"}},
            "key": {"type": "string", "writeOnly": True},
            "access_key": {"type": "string", "default": "hunter-default"},
        },
        "required": ["command"],
    },
}


@pytest.fixture
def furnished(cli, a_file):
    cli.ok("work-pool", "create", "pool", "--type", "process", "--base-job-template", a_file("t.json", TEMPLATE))
    words = ("-jv", "command=date", "-jv", "env.DB_PASSWORD=hunter-deployment", "-jv", "key=hunter-key")
    cli.ok("deployment", "create", "etl", "--pool", "pool", *words, "--cron", "0 * * * *")
    url = "env.URL=postgresql://me:hunter-url@db/x"
    cli.ok("run", "create", "--deployment", "etl", "--name", "first", "-jv", "env.MY_SECRET=hunter-run", "-jv", url)
    return cli


SHOWS = {
    ("work-pool", "inspect", "pool"): {"hunter-pool", "hunter-default"},
    ("deployment", "inspect", "etl"): {"hunter-deployment", "hunter-key"},
    ("run", "inspect", "first"): {"hunter-run", "hunter-url"},
    ("export",): set(SECRETS) - {"hunter-run", "hunter-url"},
    ("tick", "--dry-run"): set(SECRETS),
}
OTHERS = [
    ("work-pool", "ls"),
    ("work-pool", "preview", "pool"),
    ("work-pool", "update", "pool", "-d", "x"),
    ("deployment", "ls"),
    ("deployment", "update", "etl", "-d", "x"),
    ("deployment", "pause", "etl"),
    ("run", "ls"),
    ("run", "explain", "first"),
    ("run", "watch", "first", "--timeout", "0"),
    ("tick",),
    ("dev", "--ticks", "1"),
    ("store", "check"),
]


def shown(said) -> set[str]:
    return {secret for secret in SECRETS if secret in said.out + "".join(said.errors)}


@pytest.mark.parametrize("words", [*SHOWS, *OTHERS], ids=" ".join)
def test_no_command_shows_a_secret_in_text_or_json(words, furnished):
    assert shown(furnished(*words)) == set()
    assert shown(furnished(*words, "--json")) == set()


@pytest.mark.parametrize("words", SHOWS, ids=" ".join)
def test_secrets_are_shown_on_request(words, furnished):
    assert shown(furnished(*words, "--json", "--show-secrets")) == SHOWS[words]


def test_the_pinned_job_is_shown_without_secrets_after_a_tick(furnished):
    furnished("tick")
    assert furnished.ok("run", "inspect", "first")["job"] is not None
    assert shown(furnished("run", "inspect", "first", "--json")) == set()


def test_an_export_without_secrets_is_refused_with_the_fields_and_one_with_them_is_as_it_was(furnished, tmp_path):
    file = str(tmp_path / "exported.yaml")
    furnished.ok("export", "-f", file)
    assert HIDDEN in Path(file).read_text()
    before = furnished.stored()
    for command in ("plan", "apply"):
        said = furnished(command, "-f", file)
        assert said.exit_code == 1
        places = [line.partition(": holds (hidden)")[0].rpartition(" ")[2] for line in said.errors]
        assert places == [
            "pools.pool.base_job_template.variables.properties.env.default.API_TOKEN",
            "pools.pool.base_job_template.variables.properties.access_key.default",
            "deployments.etl.job_variables.env.DB_PASSWORD",
            "deployments.etl.job_variables.key",
        ]
    assert furnished.stored() == before
    furnished.ok("export", "-f", file, "--force", "--show-secrets")
    assert furnished("plan", "-f", file).exit_code == 0


@pytest.mark.parametrize("words", [("run", "create", "--pool", "pool"), ("deployment", "update", "etl")], ids=" ".join)
def test_the_hidden_mark_is_refused_as_a_value(words, furnished):
    said = furnished(*words, "-jv", "env.DB_PASSWORD=(hidden)")
    assert (said.exit_code, said.errors[0].partition(",")[0]) == (1, "error: env.DB_PASSWORD: holds (hidden)")


def test_a_refusal_does_not_repeat_a_secret(cli):
    cli.ok("work-pool", "create", "pool", "--type", "process", "-jv", "command=date")
    said = cli("run", "create", "--pool", "pool", "-jv", 'env={"DB_PASSWORD": ["hunter2"]}')
    assert said.exit_code == 1
    assert "hunter2" not in "".join(said.errors)
