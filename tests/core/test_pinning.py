"""What a claim would pin, asked without a claim."""

from dispatcher.core.pinning import configuration_of, fault_of, job_of
from providers.base import Job
from tests.builders import a_pool, a_run


def no_deployment(_name: str) -> None:
    return None


def test_the_configuration_that_a_claim_would_pin_is_that_of_the_template_and_the_variables():
    run = a_run(job_variables={"command": "make"})
    assert configuration_of(a_pool(), run, no_deployment) == {"command": "make", "env": {}}
    assert fault_of(a_pool(), run, no_deployment) == ""


def test_a_run_that_cannot_be_rendered_has_a_fault_and_no_configuration():
    run = a_run(deployment="gone")
    assert configuration_of(a_pool(), run, no_deployment) is None
    assert fault_of(a_pool(), run, no_deployment).startswith("deployment 'gone' no longer exists")


def test_the_job_of_a_run_that_nothing_is_pinned_for_is_empty():
    run = a_run()
    assert job_of(run) == Job(name=f"r{run.id.hex}-1", configuration={}, environment={}, labels={})
