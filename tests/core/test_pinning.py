"""What a claim would pin, asked without a claim."""

from dispatcher.core.pinning import configuration_of, fault_of, job_of
from providers.base import Job
from tests.builders import TEMPLATE, a_deployment, a_pool, a_run


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


def test_a_template_is_filled_with_the_parameters_of_the_deployment_and_those_of_the_run():
    command = "report {{ parameters.day }} {{ parameters.region }}"
    template = {**TEMPLATE, "job_configuration": {"command": command}}
    deployment = a_deployment(parameters={"day": "monday", "region": "eu"})
    run = a_run(deployment="deployment", parameters={"day": "friday"})
    pool = a_pool(base_job_template=template)
    assert configuration_of(pool, run, {"deployment": deployment}.get) == {"command": "report friday eu"}
