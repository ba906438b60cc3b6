from __future__ import annotations

import json

import pytest
from botocore.exceptions import ConnectionClosedError

from providers.emulators.ecs.faults import TOO_MANY_REVISIONS
from providers.emulators.faults import FaultKind, Faults
from tests.providers.emulators.ecs.builders import client, refusal


def test_a_throttle_comes_in_the_apis_form_or_in_ec2s(ecs):
    ecs.emulator.faults.add("RunTask", FaultKind.THROTTLE)
    ecs.emulator.faults.add("RunTask", FaultKind.THROTTLE, detail="network")
    assert ecs.refusal() == ("ThrottlingException", "Rate exceeded")
    code, message = ecs.refusal()
    assert code == "InvalidParameterException"
    assert message.endswith("Rate exceeded (ErrorCode: Throttling)")
    assert ecs.emulator.jobs() == []
    ecs.start()


@pytest.mark.parametrize(("kind", "starts"), [(FaultKind.LOSE_ANSWER, 1), (FaultKind.LOSE_REQUEST, 0)])
def test_the_answer_or_the_request_is_lost(ecs, kind, starts):
    ecs.emulator.faults.add("RunTask", kind)
    with pytest.raises(ConnectionClosedError):
        ecs.run()
    assert len(ecs.emulator.jobs()) == starts
    ecs.start()


@pytest.mark.parametrize(("kind", "starts"), [(FaultKind.SERVER_ERROR, 0), (FaultKind.SERVER_ERROR_AFTER, 1)])
def test_a_server_error_comes_with_and_without_the_task(ecs, kind, starts):
    ecs.emulator.faults.add("RunTask", kind)
    assert ecs.refusal()[0] == "ServerException"
    assert len(ecs.emulator.jobs()) == starts


def test_a_fault_after_the_act_does_not_hide_the_refusal_of_a_bad_request(ecs):
    ecs.emulator.faults.add("RunTask", FaultKind.LOSE_ANSWER)
    assert ecs.refusal(taskDefinition="other")[0] == "ClientException"


def test_missing_capacity_is_answered_with_any_given_reason(ecs):
    ecs.emulator.faults.add("RunTask", FaultKind.NO_CAPACITY, detail="RESOURCE:ENI")
    assert ecs.run(count=2)["failures"] == [{"reason": "RESOURCE:ENI"}] * 2


def test_a_refusal_can_be_in_any_words(ecs):
    ecs.emulator.faults.add("RunTask", FaultKind.REFUSE)
    ecs.emulator.faults.add("RunTask", FaultKind.REFUSE, detail="BlockedException: Your account is blocked.")
    assert ecs.refusal()[0] == "AccessDeniedException"
    assert ecs.refusal() == ("BlockedException", "Your account is blocked.")


def test_two_registrations_of_a_family_at_once_are_a_client_exception(ecs):
    ecs.emulator.faults.add("RegisterTaskDefinition", FaultKind.REFUSE, detail=TOO_MANY_REVISIONS)
    with pytest.raises(ecs.boto.exceptions.ClientException, match="Too many concurrent attempts"):
        ecs.register()
    assert ecs.register()["revision"] == 2


def test_other_services_have_faults_in_their_own_protocols(emulator):
    emulator.faults.add("ec2.DescribeSubnets", FaultKind.THROTTLE, detail="RequestLimitExceeded: Request limit exceeded.")
    emulator.faults.add("sts.GetCallerIdentity", FaultKind.REFUSE)
    emulator.faults.add("dynamodb.ListTables", FaultKind.LOSE_ANSWER)
    conflict = {"__type": "TransactionCanceledException", "CancellationReasons": [{"Code": "TransactionConflict"}]}
    emulator.faults.add("dynamodb.TransactWriteItems", FaultKind.REFUSE, detail=json.dumps(conflict))
    assert refusal(client("ec2", emulator).describe_subnets)["Error"]["Code"] == "RequestLimitExceeded"
    assert refusal(client("sts", emulator).get_caller_identity)["Error"]["Code"] == "AccessDeniedException"
    dynamodb = client("dynamodb", emulator)
    with pytest.raises(ConnectionClosedError):
        dynamodb.list_tables()
    put = {"Put": {"TableName": "TTT", "Item": {"pk": {"S": "a"}}}}
    assert refusal(dynamodb.transact_write_items, TransactItems=[put])["CancellationReasons"] == [
        {"Code": "TransactionConflict"}
    ]
    assert dynamodb.list_tables()["TableNames"] == []
    assert emulator.calls["ec2.DescribeSubnets"] == 1


def test_faults_are_used_up_in_their_order():
    faults = Faults()
    faults.add("RunTask", FaultKind.THROTTLE, times=2)
    faults.add("*", FaultKind.REFUSE)
    kinds = [fault and fault.kind for fault in (faults.take(name) for name in ["RunTask", "StopTask", "RunTask", "RunTask"])]
    assert kinds == [FaultKind.THROTTLE, FaultKind.REFUSE, FaultKind.THROTTLE, None]


def test_random_faults_follow_from_the_seed():
    def struck(seed):
        faults = Faults(seed=seed)
        faults.add("RunTask", FaultKind.THROTTLE, probability=0.3)
        return [faults.take("RunTask") is not None for _ in range(200)]

    assert struck(1) == struck(1) != struck(2)
    assert 30 < sum(struck(1)) < 90


def test_calls_are_throttled_at_ecss_own_rates_when_asked(ecs):
    ecs.emulator.change_settings({"enforce_rates": True})
    for _ in range(20):
        ecs.start()
    assert ecs.refusal()[0] == "ThrottlingException"
    ecs.emulator.advance(0.5)
    for _ in range(10):
        ecs.start()
    assert ecs.refusal()[0] == "ThrottlingException"


def test_launches_have_a_rate_of_their_own(ecs):
    ecs.emulator.change_settings({"enforce_rates": True})
    for _ in range(10):
        ecs.run(count=10)
    assert ecs.refusal()[0] == "ThrottlingException"


def test_definitions_are_registered_once_a_second(ecs):
    ecs.emulator.change_settings({"enforce_rates": True})
    for _ in range(20):
        ecs.register()
    with pytest.raises(ecs.boto.exceptions.ClientError, match="Rate exceeded"):
        ecs.register()
    ecs.emulator.advance(1)
    ecs.register()


def test_a_body_that_waits_to_be_asked_for_arrives(emulator):
    """S3's client sends `Expect: 100-continue`, and its body only after the answer to that."""
    s3 = client("s3", emulator)
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="key with ä", Body=b"body", Metadata={"name": "value"})
    stored = s3.get_object(Bucket="bucket", Key="key with ä")
    assert (stored["Body"].read(), stored["Metadata"]) == (b"body", {"name": "value"})
