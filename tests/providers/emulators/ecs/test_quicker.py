"""What the emulator spares moto changes no answer."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from moto.core import responses, serialize
from moto.core.utils import get_service_model, method_names_from_class
from moto.dynamodb.responses import DynamoHandler

from providers.emulators.ecs import quicker

VALUES = {"S": "x"}, {"N": "1"}, {"M": {"a": {"L": [{"BOOL": False}, {"NULL": True}, {"S": ""}]}, "S": {"SS": []}}}, {"s": "y"}
RESULTS = {
    "nothing": {},
    "an item of every kind of value": {"Item": {str(number): value for number, value in enumerate(VALUES)}},
    "members that are None or empty": {"Item": None, "ConsumedCapacity": {"TableName": "t", "CapacityUnits": 0.0, "Table": {}}},
    "a member by its other name": {"item": {"key": {"S": "x"}}},
    "a member that is unknown": {"Item": {"key": {"S": "x", "Z": "z"}}, "Other": 1},
    "an object": SimpleNamespace(item={"key": {"S": "x"}}, consumed_capacity=SimpleNamespace(table_name="t")),
}


def answer(result, service="dynamodb", operation="GetItem", protocol="json"):
    operation = get_service_model(service).operation_model(operation)
    serializer = serialize.get_serializer_class(service, protocol)
    picker = responses.XFormedAttributePicker(response_transformers=None)
    return serializer(operation_model=operation, pretty_print=False, value_picker=picker).serialize(result)["body"]


@pytest.mark.parametrize("result", RESULTS.values(), ids=RESULTS)
def test_an_answer_is_the_bytes_that_moto_writes_by_itself(result, monkeypatch):
    assert serialize.ResponseSerializer._serialize_type_structure is quicker.serialize_structure
    quick = answer(result)
    monkeypatch.setattr(serialize.ResponseSerializer, "_serialize_type_structure", quicker._serialize_structure)
    assert quick == answer(result)


def test_an_answer_of_a_service_with_rest_is_too(monkeypatch):
    result = {"MaximumRetryAttempts": 0, "DestinationConfig": {"OnFailure": {"Destination": "arn:aws:sqs:us-east-1:1:dead"}}}
    quick = answer(result, "lambda", "GetFunctionEventInvokeConfig", "rest-json")
    assert "arn:aws:sqs:us-east-1:1:dead" in quick
    monkeypatch.setattr(serialize.ResponseSerializer, "_serialize_type_structure", quicker._serialize_structure)
    assert quick == answer(result, "lambda", "GetFunctionEventInvokeConfig", "rest-json")


def test_the_services_and_their_methods_are_those_that_moto_lists():
    assert {"dynamodb", "ecs", "moto_api"} <= set(quicker._modules())
    assert quicker._method_names(DynamoHandler) == set(method_names_from_class(DynamoHandler))
