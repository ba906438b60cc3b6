from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest

from dispatcher.errors import InvalidInput
from dispatcher.models import Deployment, PinnedJob, Run, WorkPool, WorkQueue
from dispatcher.validation import validate

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
SOME_ID = UUID(int=1)
NAME_RULE = "must be 1 to 200 printable characters without / % & < > and without blanks at its ends"


def a_queue(**changes):
    return replace(WorkQueue(name="default", priority=1), **changes)


def a_pool(**changes):
    pool = WorkPool(id=SOME_ID, name="prod", type="process", base_job_template={}, queues=(a_queue(),), created_at=NOON)
    return replace(pool, **changes)


def a_deployment(**changes):
    return replace(Deployment(id=SOME_ID, name="nightly", pool="prod", created_at=NOON), **changes)


def a_run(**changes):
    run = Run(id=SOME_ID, name="r", pool="prod", queue="default", created_at=NOON, scheduled_at=NOON, due_at=NOON)
    return replace(run, **changes)


def faults(instance):
    with pytest.raises(InvalidInput) as caught:
        validate(instance)
    assert "\n" not in str(caught.value)
    str(caught.value).encode()
    return [str(fault) for fault in caught.value.faults]


@pytest.mark.parametrize(
    "instance",
    [
        a_queue(concurrency_limit=0),
        a_pool(concurrency_limit=5, description="über\nzwei Zeilen"),
        a_deployment(job_variables={"cpu": 1}, tags=("a", "b")),
        a_run(deployment="nightly", start_within=1.5, job=PinnedJob(configuration={})),
        a_queue(name="Größe 2 (kühl)"),
        a_queue(name="x" * 200),
    ],
)
def test_sound_nouns_pass(instance):
    validate(instance)


CASES = [
    (a_queue(concurrency_limit=-1), ["concurrency_limit: must be 0 or more, or null for unlimited (got -1)"]),
    (a_queue(concurrency_limit="5"), ['concurrency_limit: must be 0 or more, or null for unlimited (got "5")']),
    (a_queue(concurrency_limit=True), ["concurrency_limit: must be 0 or more, or null for unlimited (got true)"]),
    (a_queue(concurrency_limit=2**31), ["concurrency_limit: must be at most 2147483647 (got 2147483648)"]),
    (a_queue(priority=0), ["priority: must be a whole number of 1 or more (got 0)"]),
    (a_queue(priority=1.5), ["priority: must be a whole number of 1 or more (got 1.5)"]),
    (a_queue(name=""), [f'name: {NAME_RULE} (got "")']),
    (a_queue(name="a/b"), [f'name: {NAME_RULE} (got "a/b")']),
    (a_queue(name=" a"), [f'name: {NAME_RULE} (got " a")']),
    (a_queue(name="a\nb"), [rf'name: {NAME_RULE} (got "a\nb")']),
    (a_queue(name="x" * 201), [f'name: {NAME_RULE} (got "{"x" * 56}...)']),
    (a_queue(name="\ud800"), [rf'name: {NAME_RULE} (got "\ud800")']),
    (a_queue(name=5), [f"name: {NAME_RULE} (got 5)"]),
    (a_queue(paused="yes"), ['paused: must be true or false (got "yes")']),
    (a_queue(description=None), ["description: must be text (got null)"]),
    (a_queue(description="\0"), ["description: holds a NUL character, which databases cannot store; remove it"]),
    (a_queue(description="x" * 10_001), ["description: must have at most 10000 characters (got 10001)"]),
    (a_pool(id="x"), ['id: must be an instance of UUID (got "x")']),
    (a_pool(base_job_template=[]), ["base_job_template: must be an object (got a list)"]),
    (a_pool(created_at="today"), ['created_at: must be a time (got "today")']),
    (a_run(due_at=datetime(2026, 1, 31, 12)), [  # noqa: DTZ001 - a naive time is what is refused
        "due_at: must be a time in UTC with its offset, such as 2026-01-31T12:00:00+00:00 (got 2026-01-31T12:00:00)",
    ]),
    (a_run(due_at=NOON.astimezone(timezone(timedelta(hours=2)))), [
        "due_at: must be a time in UTC with its offset, such as 2026-01-31T12:00:00+00:00 (got 2026-01-31T14:00:00+02:00)",
    ]),
    (a_run(deployment=5), ["deployment: must be text (got 5)"]),
    (a_run(start_within="x"), ['start_within: must be a number (got "x")']),
    (a_deployment(job_variables={1: 2}), ["job_variables: has the key 1, which is not text; put it in quotes"]),
    (a_deployment(tags=["a"]), ["tags: must be a tuple (got a list)"]),
    (a_deployment(tags=("a", 5)), ["tags[1]: must be text (got 5)"]),
    (a_deployment(tags=("a", "", "x" * 201)), [
        'tags[1]: must be 1 to 200 printable characters (got "")',
        f'tags[2]: must be 1 to 200 printable characters (got "{"x" * 56}...)',
    ]),
    (a_deployment(tags=("t",) * 51), ["tags: must be at most 50 (got 51)"]),
]  # fmt: skip


@pytest.mark.parametrize(("instance", "expected"), CASES)
def test_the_fault_of_a_field_that_breaks_its_rule_is_written_for_people(instance, expected):
    assert faults(instance) == expected


def test_the_faults_of_queues_have_their_path_in_the_pool():
    pool = a_pool(concurrency_limit=-1, queues=(a_queue(), a_queue(name="a%", priority=-2)))
    assert faults(pool) == [
        "concurrency_limit: must be 0 or more, or null for unlimited (got -1)",
        f'queues[1].name: {NAME_RULE} (got "a%")',
        "queues[1].priority: must be a whole number of 1 or more (got -2)",
    ]


def test_a_pool_has_a_default_queue_and_queues_with_their_own_names_and_priorities():
    queues = (a_queue(name="high"), a_queue(name="low"), a_queue(name="low", priority=2))
    assert faults(a_pool(queues=queues)) == [
        "queues: must hold the queue `default`, which every pool has",
        "queues: two queues are named 'low'; rename one",
        "queues: priority 1 is held by high and low; give each queue a priority of its own",
    ]


@pytest.mark.parametrize("queues", [None, [a_queue()], (5,)])
def test_values_that_are_not_queues_are_reported(queues):
    assert faults(a_pool(queues=queues))[0].startswith("queues")


def test_names_that_cannot_be_compared_are_reported_and_do_no_harm():
    assert faults(a_pool(queues=(a_queue(), a_queue(name=["x"], priority={}))))[0].startswith("queues[1].name: must be")


def test_the_error_names_its_subject():
    with pytest.raises(InvalidInput, match=r"^work pool 'prod': concurrency_limit: must be 0 or more"):
        validate(a_pool(concurrency_limit=-1))
