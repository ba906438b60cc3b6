"""Several callers at once: one task a token, never over the capacity, and a DynamoDB that is atomic, as moto's alone is not."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.providers.emulators.ecs.builders import client

THREADS = 8
TABLE = "table"


@pytest.fixture(autouse=True)
def eager_switching():
    """Let threads take turns a hundred times as often, so that a missing lock shows."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.00005)
    yield
    sys.setswitchinterval(before)


def in_threads(act, times=THREADS):
    """Every result of `act(number)`, all started at the same moment."""
    barrier = threading.Barrier(times)

    def run(number):
        barrier.wait()
        return act(number)

    with ThreadPoolExecutor(times) as threads:
        return list(threads.map(run, range(times)))


def test_eight_threads_with_one_token_start_one_task(ecs):
    for round_ in range(5):
        arns = in_threads(lambda _, token=f"t{round_}": ecs.start(clientToken=token, startedBy=token))
        assert len(set(arns)) == 1
    assert set(ecs.emulator.starts.values()) == {1}


def test_eight_threads_with_their_own_tokens_start_their_own_tasks(ecs):
    arns = in_threads(lambda number: [ecs.start(clientToken=f"{number}-{index}") for index in range(10)])
    assert len({arn for some in arns for arn in some}) == 80
    assert ecs.emulator.peak_live == len(ecs.listed()) == 80


def test_eight_threads_never_exceed_the_capacity(ecs):
    ecs.emulator.change_settings({"capacity": 5})

    def start_and_stop(_):
        for _ in range(5):
            for task in ecs.run()["tasks"]:
                ecs.boto.stop_task(task=task["taskArn"])

    in_threads(start_and_stop)
    assert 1 <= ecs.emulator.peak_live <= 5


@pytest.fixture
def dynamodb(emulator):
    boto = client("dynamodb", emulator)
    boto.create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return boto


def put(dynamodb, key, **values):
    dynamodb.put_item(TableName=TABLE, Item={"pk": {"S": key}, **values})


def number(dynamodb, key, name="n"):
    return int(dynamodb.get_item(TableName=TABLE, Key={"pk": {"S": key}}, ConsistentRead=True)["Item"][name]["N"])


def increment(key, limit):
    return {
        "TableName": TABLE,
        "Key": {"pk": {"S": key}},
        "UpdateExpression": "SET n = n + :one",
        "ConditionExpression": "n < :limit",
        "ExpressionAttributeValues": {":one": {"N": "1"}, ":limit": {"N": str(limit)}},
    }


def test_conditional_increments_stop_at_their_limit(dynamodb):
    put(dynamodb, "counter", n={"N": "0"})

    def add(_):
        successes = 0
        for _ in range(10):
            try:
                dynamodb.update_item(**increment("counter", 50))
                successes += 1
            except dynamodb.exceptions.ConditionalCheckFailedException:
                continue
        return successes

    assert sum(in_threads(add)) == number(dynamodb, "counter") == 50


def test_transactions_that_claim_share_a_limit(dynamodb):
    """The slots, the answers and the marks agree, and no run is claimed twice."""
    put(dynamodb, "pool", n={"N": "0"})
    for run in range(20):
        put(dynamodb, f"run-{run}", owner={"S": ""})

    def claim(claimer):
        claimed = []
        for run in range(20):
            mark = {
                "TableName": TABLE,
                "Key": {"pk": {"S": f"run-{run}"}},
                "UpdateExpression": "SET #owner = :me",
                "ConditionExpression": "#owner = :nobody",
                "ExpressionAttributeNames": {"#owner": "owner"},
                "ExpressionAttributeValues": {":me": {"S": str(claimer)}, ":nobody": {"S": ""}},
            }
            try:
                dynamodb.transact_write_items(TransactItems=[{"Update": mark}, {"Update": increment("pool", 12)}])
                claimed.append(run)
            except dynamodb.exceptions.TransactionCanceledException:
                continue
        return claimed

    claims = Counter(run for claimed in in_threads(claim, 4) for run in claimed)
    items = dynamodb.scan(TableName=TABLE, ConsistentRead=True)["Items"]
    assert set(claims.values()) == {1}
    assert len(claims) == number(dynamodb, "pool") == sum(1 for item in items if item.get("owner", {}).get("S")) == 12


def test_a_transaction_is_never_seen_by_halves(dynamodb):
    for key in ("a", "b"):
        put(dynamodb, key, n={"N": "0"})
    ended = threading.Event()

    def write(_):
        for value in range(15):
            items = [{"Put": {"TableName": TABLE, "Item": {"pk": {"S": key}, "n": {"N": str(value)}}}} for key in ("a", "b")]
            dynamodb.transact_write_items(TransactItems=items)
        ended.set()

    def read(_):
        torn = 0
        while not ended.is_set():
            gets = [{"Get": {"TableName": TABLE, "Key": {"pk": {"S": key}}}} for key in ("a", "b")]
            first, second = dynamodb.transact_get_items(TransactItems=gets)["Responses"]
            torn += first["Item"]["n"] != second["Item"]["n"]
        return torn

    results = in_threads(lambda turn: read(turn) if turn % 2 else write(turn), 4)
    assert sum(torn for torn in results if torn is not None) == 0
