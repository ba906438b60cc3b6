"""A pool on Vertex AI, from the command line."""

from __future__ import annotations

pytest_plugins = ["providers.emulators.fixtures"]


def test_a_first_configuration_is_applied_its_run_accepted_and_its_log_read(vertex_ai_emulator, cli, tmp_path):
    cli.ok("init", "--type", "vertex-ai", "-f", str(tmp_path / "dispatcher.yaml"))
    cli.ok("apply", "-f", str(tmp_path / "dispatcher.yaml"), "--yes")
    [run] = cli.ok("run", "create", "--deployment", "hello")
    cli.ok("tick")
    [job] = vertex_ai_emulator.jobs()
    vertex_ai_emulator.write_log(job.name, "hello")
    assert cli("run", "logs", run["id"]).out == "hello\n"
    vertex_ai_emulator.finish(job.name)
    cli.ok("tick")
    assert cli.ok("run", "inspect", run["id"])["state"] == "COMPLETED"


def test_the_doctor_asks_vertex_ai_for_a_job_that_never_existed(vertex_ai_emulator, cli):
    cli.ok(
        "work-pool", "create", "training", "--type", "vertex-ai", "--job-variables", '{"region": "us-central1", "image": "i"}'
    )
    [access] = [finding for finding in cli("doctor", "--json").json if finding["check"] == "credentials"]
    assert access["level"] == "ok"
    assert vertex_ai_emulator.calls.counts == {"ListCustomJobs": 2, "GetCustomJob": 1}, "the second list looks for strays"


def test_provision_infrastructure_says_what_the_pool_type_needs(cli):
    said = cli("work-pool", "provision-infrastructure", "training", "--type", "vertex-ai")
    assert "roles/aiplatform.user" in said.out
    assert "providers/vertex_ai/README.md" in said.out
