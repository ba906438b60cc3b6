from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from providers.emulators.faults import FaultKind
from tests.providers.emulators.ecs.builders import client

TABLE = "counters"


@pytest.fixture
def dynamodb(emulator):
    boto = client("dynamodb", emulator)
    key = {"AttributeName": "pk", "KeyType": "HASH"}
    attribute = {"AttributeName": "pk", "AttributeType": "S"}
    boto.create_table(TableName=TABLE, KeySchema=[key], AttributeDefinitions=[attribute], BillingMode="PAY_PER_REQUEST")
    return boto


def increment(key: str, condition: str | None = None) -> dict[str, Any]:
    update = {
        "TableName": TABLE,
        "Key": {"pk": {"S": key}},
        "UpdateExpression": "ADD n :one",
        "ExpressionAttributeValues": {":one": {"N": "1"}},
    }
    return {"Update": {**update, "ConditionExpression": condition} if condition else update}


def count(dynamodb, key: str) -> int:
    item = dynamodb.get_item(TableName=TABLE, Key={"pk": {"S": key}}, ConsistentRead=True).get("Item", {"n": {"N": "0"}})
    return int(item["n"]["N"])


def test_a_repeat_with_the_same_token_changes_nothing(dynamodb):
    for _ in range(3):
        dynamodb.transact_write_items(TransactItems=[increment("a"), increment("b")], ClientRequestToken="t")
    assert (count(dynamodb, "a"), count(dynamodb, "b")) == (1, 1)
    dynamodb.transact_write_items(TransactItems=[increment("a"), increment("b")], ClientRequestToken="u")
    assert count(dynamodb, "a") == 2


def test_an_answer_that_was_lost_is_found_by_its_token(dynamodb, emulator):
    emulator.faults.add("dynamodb.TransactWriteItems", FaultKind.LOSE_ANSWER)
    with pytest.raises(ConnectionClosedError):
        dynamodb.transact_write_items(TransactItems=[increment("a")], ClientRequestToken="t")
    dynamodb.transact_write_items(TransactItems=[increment("a")], ClientRequestToken="t")
    assert count(dynamodb, "a") == 1


def test_a_token_is_good_for_one_transaction(dynamodb):
    dynamodb.transact_write_items(TransactItems=[increment("a")], ClientRequestToken="t")
    with pytest.raises(ClientError) as raised:
        dynamodb.transact_write_items(TransactItems=[increment("b")], ClientRequestToken="t")
    assert raised.value.response["Error"]["Code"] == "IdempotentParameterMismatchException"
    assert count(dynamodb, "b") == 0


def test_a_transaction_that_was_cancelled_left_nothing_and_may_be_repeated_with_its_token(dynamodb):
    actions = [increment("a"), increment("b", "attribute_exists(pk)"), increment("c")]
    with pytest.raises(ClientError) as raised:
        dynamodb.transact_write_items(TransactItems=actions, ClientRequestToken="t")
    codes = [reason["Code"] for reason in raised.value.response["CancellationReasons"]]
    assert codes == ["None", "ConditionalCheckFailed", "None"]
    assert [count(dynamodb, key) for key in "abc"] == [0, 0, 0]
    dynamodb.transact_write_items(TransactItems=[increment("b")])
    dynamodb.transact_write_items(TransactItems=actions, ClientRequestToken="t")
    assert [count(dynamodb, key) for key in "abc"] == [1, 2, 1]


def test_a_failed_transaction_leaves_nothing_behind(emulator):
    boto = client("dynamodb", emulator)
    keys = [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}]
    attributes = [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")]
    boto.create_table(TableName="pairs", KeySchema=keys, AttributeDefinitions=attributes, BillingMode="PAY_PER_REQUEST")

    def key(partition, place):
        return {"pk": {"S": partition}, "sk": {"S": place}}

    for partition, place in (("a", "1"), ("a", "2"), ("b", "1")):
        boto.put_item(TableName="pairs", Item={**key(partition, place), "n": {"N": "1"}})
    before = boto.scan(TableName="pairs")["Items"]
    update = {"UpdateExpression": "SET n = :two", "ExpressionAttributeValues": {":two": {"N": "2"}}}
    actions = [
        {"Put": {"TableName": "pairs", "Item": {**key("a", "3"), "n": {"N": "2"}}}},
        {"Put": {"TableName": "pairs", "Item": key("c", "1")}},
        {"Update": {"TableName": "pairs", "Key": key("a", "1"), **update}},
        {"Delete": {"TableName": "pairs", "Key": key("b", "1")}},
    ]
    condition = {"ConditionExpression": "attribute_not_exists(pk)"}
    refused = {"ConditionCheck": {"TableName": "pairs", "Key": key("a", "2"), **condition}}
    with pytest.raises(ClientError):
        boto.transact_write_items(TransactItems=[*actions, refused])
    assert boto.scan(TableName="pairs")["Items"] == before
    boto.transact_write_items(TransactItems=actions)
    assert {
        (item["pk"]["S"], item["sk"]["S"], item.get("n", {}).get("N")) for item in boto.scan(TableName="pairs")["Items"]
    } == {
        ("a", "1", "2"),
        ("a", "2", "1"),
        ("a", "3", "2"),
        ("c", "1", None),
    }
