"""Runs that are created together: what is alike among them is checked once, and what only looks alike is not."""

import pytest

from dispatcher.client import Dispatcher
from dispatcher.core.written import Typed
from dispatcher.errors import InvalidVariables
from dispatcher.stores.memory import MemoryStore
from providers.base import Checked
from tests.client.conftest import Clock

TEMPLATE = {
    "job_configuration": {"count": "{{ count }}", "name": "{{ name }}"},
    "variables": {"type": "object", "properties": {"count": {"type": "integer"}, "name": {"type": "string"}}},
}


class Provider:
    """Counts what it is asked."""

    def __init__(self):
        self.asked = []

    def __call__(self, _type, configuration):
        self.asked.append(configuration)
        return Checked()


@pytest.fixture
def provider():
    return Provider()


@pytest.fixture
def dispatcher(provider):
    made = Dispatcher(MemoryStore(), clock=Clock(), check=provider)
    made.create_work_pool("pool", type="process", base_job_template=TEMPLATE)
    made.create_deployment("one", pool="pool", job_variables={"name": "one"})
    made.create_deployment("two", pool="pool", job_variables={"name": "two"})
    provider.asked.clear()
    return made


def create(dispatcher, *variables, **where):
    return dispatcher.create_runs([{"pool": "pool", "job_variables": values, **where} for values in variables])


def test_equal_variables_are_checked_once(dispatcher, provider):
    shared = {"count": 1}
    runs = create(dispatcher, shared, shared, {"count": 1}, {"count": 2})

    assert provider.asked == [{"count": 1}, {"count": 2}]
    assert [run.job_variables for run in runs] == [{"count": 1}, {"count": 1}, {"count": 1}, {"count": 2}]


def test_each_deployment_is_asked_about(dispatcher, provider):
    shared = {"count": 1}
    dispatcher.create_runs([{"deployment": name, "job_variables": shared} for name in ("one", "two", "one")])

    assert [configuration["name"] for configuration in provider.asked] == ["one", "two"]


def test_the_next_call_checks_anew(dispatcher, provider):
    create(dispatcher, {"count": 1})
    create(dispatcher, {"count": 1})

    assert len(provider.asked) == 2


@pytest.mark.parametrize("wrong", ["1", 1.5, True, [1], {"1": 1}])
def test_a_value_that_only_looks_like_a_valid_one_is_checked(wrong, dispatcher):
    with pytest.raises(InvalidVariables, match="count"):
        create(dispatcher, {"count": 1}, {"count": wrong})


def test_typed_words_are_read_by_the_schema_of_each_variable(dispatcher):
    runs = create(dispatcher, {"count": 5}, {"count": Typed("5"), "name": Typed("5")}, {"name": Typed("true")})

    assert [run.job_variables for run in runs] == [{"count": 5}, {"count": 5, "name": "5"}, {"name": "true"}]


def test_no_variables_are_checked_too(dispatcher, provider):
    create(dispatcher, None, None, {})

    assert provider.asked == [{}]
