"""Several teams with one store: each file sees what its owner has."""

from __future__ import annotations

import pytest

PLATFORM = """\
owner: platform
pools:
  batch: {type: process, queues: {team-a: {}, default: {}}}
"""
TEAM = """\
owner: team-a
deployments:
  etl: {pool: batch, queue: team-a, job_variables: {command: "true"}}
"""


@pytest.fixture
def files(cli, tmp_path):
    """Applied: the platform's pool, a deployment of team A, and one of nobody."""
    (tmp_path / "platform.yaml").write_text(PLATFORM)
    (tmp_path / "team.yaml").write_text(TEAM)
    platform, team = str(tmp_path / "platform.yaml"), str(tmp_path / "team.yaml")
    cli.ok("apply", "-f", platform)
    cli.ok("apply", "-f", team)
    cli.ok("deployment", "create", "by-hand", "--pool", "batch", "-jv", "command=true")
    return platform, team


def refusal(cli, *words):
    said = cli(*words)
    assert said.exit_code == 1
    return "\n".join(said.errors)


def test_objects_of_a_file_get_its_owner_and_show_it(cli, files):
    assert cli.ok("work-pool", "inspect", "batch")["owner"] == "platform"
    assert cli.ok("deployment", "inspect", "etl")["owner"] == "team-a"
    assert cli.ok("deployment", "inspect", "by-hand")["owner"] == ""


def test_prune_and_the_list_of_what_is_left_see_only_what_the_owner_has(cli, files, tmp_path):
    empty = tmp_path / "empty.yaml"
    empty.write_text("owner: team-a\ndeployments: {}\n")
    plan = cli("plan", "-f", str(empty), "--json").json
    assert (plan["owner"], plan["unnamed"]) == ("team-a", [{"noun": "deployment", "name": "etl"}])
    cli.ok("apply", "-f", str(empty), "--prune", "--yes")
    assert [deployment["name"] for deployment in cli.ok("deployment", "ls")] == ["by-hand"]
    assert [pool["name"] for pool in cli.ok("work-pool", "ls")] == ["batch"]


def test_objects_of_another_owner_are_refused_with_their_line_until_taken_over(cli, files, tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text(TEAM.replace("team-a\n", "team-b\n"))
    words = f"{mine}:3:3: deployments.etl: belongs to owner 'team-a', and this configuration is that of 'team-b': take it over"
    assert words in refusal(cli, "plan", "-f", str(mine))
    cli.ok("apply", "-f", str(mine), "--take-over")
    assert cli.ok("deployment", "inspect", "etl")["owner"] == "team-b"
    assert "belongs to owner 'team-b'" in refusal(cli, "plan", "-f", files[1])


def test_objects_without_an_owner_are_taken_over_only_on_request(cli, files, tmp_path):
    adopting = tmp_path / "adopting.yaml"
    adopting.write_text(TEAM.replace("etl", "by-hand"))
    assert "deployments.by-hand: has no owner" in refusal(cli, "plan", "-f", str(adopting))
    cli.ok("apply", "-f", str(adopting), "--take-over")
    assert cli.ok("deployment", "inspect", "by-hand")["owner"] == "team-a"


def test_a_file_of_nobody_neither_prunes_nor_changes_what_has_an_owner(cli, files, tmp_path):
    nobodys = tmp_path / "nobodys.yaml"
    nobodys.write_text("pools: {}\n")
    plan = cli("plan", "-f", str(nobodys), "--prune", "--json").json
    assert [(change["action"], change["name"]) for change in plan["changes"]] == [("delete", "by-hand")]
    nobodys.write_text(PLATFORM.partition("\n")[2])
    assert "belongs to owner 'platform', and this configuration is nobody's" in refusal(cli, "plan", "-f", str(nobodys))


def test_a_pool_that_others_use_is_not_pruned(cli, files, tmp_path):
    empty = tmp_path / "empty.yaml"
    empty.write_text("owner: platform\npools: {}\n")
    words = refusal(cli, "plan", "-f", str(empty), "--prune")
    assert "pools.batch: would be deleted, but deployment 'etl' of another owner uses it" in words


def test_the_hash_changes_with_what_the_owner_has_and_with_nothing_else(cli, files):
    _, team = files
    before = cli("plan", "-f", team, "--json").json["hash"]
    cli.ok("work-pool", "update", "batch", "-d", "changed by hand")
    assert cli("plan", "-f", team, "--json").json["hash"] == before
    cli.ok("deployment", "update", "etl", "-d", "changed by hand")
    assert cli("plan", "-f", team, "--json").json["hash"] != before
    assert "Stored configuration of 'team-a': " in cli("plan", "-f", team).out


def test_an_export_is_planned_without_a_change_whole_or_for_one_owner(cli, files, tmp_path):
    cli.ok("export", "-f", str(tmp_path / "all.yaml"))
    assert cli("plan", "-f", str(tmp_path / "all.yaml")).exit_code == 0
    cli.ok("export", "-f", str(tmp_path / "own.yaml"), "--owner", "team-a", "--force")
    assert "\nowner: team-a\n" in (tmp_path / "own.yaml").read_text()
    assert "by-hand" not in (tmp_path / "own.yaml").read_text()
    assert cli("plan", "-f", str(tmp_path / "own.yaml")).exit_code == 0


def test_files_of_two_owners_are_planned_one_by_one(cli, files):
    words = refusal(cli, "plan", "-f", files[0], "-f", files[1])
    assert "owner: is 'team-a' here and 'platform' in" in words


@pytest.mark.parametrize("owner", ["a/b", "7", "[x]"])
def test_a_wrong_owner_is_refused(cli, tmp_path, owner):
    (tmp_path / "wrong.yaml").write_text(f"owner: {owner}\npools: {{}}\n")
    assert "owner" in refusal(cli, "plan", "-f", str(tmp_path / "wrong.yaml"))
