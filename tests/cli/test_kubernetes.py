"""A pool on Kubernetes, from the command line."""

from __future__ import annotations

pytest_plugins = ["providers.emulators.fixtures"]


def test_a_first_configuration_is_applied_its_run_accepted_and_its_log_read(kubernetes_emulator, cli, tmp_path):
    cli.ok("init", "--type", "kubernetes", "-f", str(tmp_path / "dispatcher.yaml"))
    cli.ok("apply", "-f", str(tmp_path / "dispatcher.yaml"), "--yes")
    [run] = cli.ok("run", "create", "--deployment", "hello")
    cli.ok("tick")
    [job] = kubernetes_emulator.jobs()
    kubernetes_emulator.log(job.name, "hello\n")
    assert cli("run", "logs", run["id"]).out == "hello\n"
    kubernetes_emulator.finish(job.name)
    cli.ok("tick")
    assert cli.ok("run", "inspect", run["id"])["state"] == "COMPLETED"


def test_the_doctor_asks_the_cluster_for_each_right(kubernetes_emulator, cli):
    cli.ok("work-pool", "create", "cluster", "--type", "kubernetes", "--job-variables", '{"image": "i"}')
    findings = {finding["check"]: finding for finding in cli("doctor", "--json").json}
    assert findings["credentials"]["level"] == "ok"
    assert "place" not in findings, "it lacks none"
    assert kubernetes_emulator.calls["CreateSelfSubjectAccessReview"] == 8


def test_provision_infrastructure_says_what_the_pool_type_needs(cli):
    said = cli("work-pool", "provision-infrastructure", "cluster", "--type", "kubernetes")
    assert "Role of infra/kubernetes" in said.out
