"""What goes wrong between the store and AWS."""

import json
from datetime import timedelta
from typing import Any

import pytest

from dispatcher.errors import StoreError, StoreSchemaError, StoreUnavailable
from dispatcher.models import RunState
from dispatcher.models.records import Move
from dispatcher.stores.dynamodb import DynamoStore
from dispatcher.stores.dynamodb.client import connect as connect_to
from dispatcher.stores.dynamodb.requests import Patience
from providers.emulators.faults import FaultKind, Faults
from tests.builders import MINUTE, NOW, a_deployment, a_pool, a_run
from tests.stores.dynamodb.places import Place, a_place, emulator
from tests.stores.dynamodb_server import connect, fresh_table
from tests.stores.steps import LEASE, a_claimed_run, a_running_run, a_stored_run, claim, hold, nothing

TRANSACTION = "dynamodb.TransactWriteItems"


def cancelled(*codes: str) -> str:
    """A cancelled transaction with these reasons, as AWS writes it."""
    reasons = [{"Code": code, "Message": f"about {code}"} for code in codes]
    words = f"Transaction cancelled, please refer cancellation reasons for specific reasons [{', '.join(codes)}]"
    return json.dumps({"__type": "TransactionCanceledException", "message": words, "CancellationReasons": reasons})


PASSING = [
    (FaultKind.THROTTLE, ""),
    (
        FaultKind.THROTTLE,
        "ProvisionedThroughputExceededException: The configured throughput was exceeded.",
    ),
    (FaultKind.THROTTLE, "RequestLimitExceeded: Throughput exceeds the current throughput limit for your account."),
    (
        FaultKind.THROTTLE,
        "TransactionInProgressException: This transaction is already in progress.",
    ),
    (FaultKind.THROTTLE, cancelled("None", "TransactionConflict", "None")),
    (FaultKind.THROTTLE, cancelled("ThrottlingError", "None")),
    (FaultKind.THROTTLE, cancelled("None", "ProvisionedThroughputExceeded")),
    (FaultKind.SERVER_ERROR, ""),
    (FaultKind.SERVER_ERROR_AFTER, ""),
    (FaultKind.LOSE_REQUEST, ""),
    (FaultKind.LOSE_ANSWER, ""),
]
CARRIED_OUT_OR_NOT = [(FaultKind.THROTTLE, cancelled("None", "TransactionConflict", "None")), (FaultKind.LOSE_ANSWER, "")]


class TestPassing:
    """Each verb with its first transaction disturbed twice: its answer and its effect are as ever."""

    @pytest.fixture(autouse=True)
    def _disturb(self, place: Place, faults: Faults, kind: FaultKind, detail: str):
        self.runs = [a_claimed_run(place.store, now=NOW - LEASE), a_running_run(place.store), a_stored_run(place.store)]
        place.recorder.requests.clear()
        faults.add(TRANSACTION, kind, detail=detail, times=2)
        yield
        assert place.store.check() == []
        tokens = place.recorder.tokens()
        assert tokens[:3] == [tokens[0]] * 3, "a repeat carries the token of its transaction"

    @pytest.mark.parametrize(("kind", "detail"), PASSING)
    def test_a_claim_is_made_once(self, place: Place):
        abandoned, _, waiting = self.runs
        claims = claim(place.store, takeovers=1).claims
        assert [(claimed.run.id, claimed.run.fence) for claimed in claims] == [(abandoned.id, 2), (waiting.id, 1)]
        assert place.store.counts("pool", NOW)["default"].in_use == 3

    @pytest.mark.parametrize(("kind", "detail"), CARRIED_OUT_OR_NOT)
    def test_a_repeated_move_is_made_once_and_reported_as_made(self, place: Place):
        assert place.store.move([Move.of(self.runs[1], RunState.COMPLETED)]) == {self.runs[1].id}
        assert place.store.counts("pool", NOW)["default"].in_use == 1

    @pytest.mark.parametrize(("kind", "detail"), CARRIED_OUT_OR_NOT)
    def test_repeated_additions_are_made_once_and_reported_as_made(self, place: Place):
        added = [a_run(), a_run()]
        assert place.store.add_runs(added) == {run.id for run in added}

    @pytest.mark.parametrize(("kind", "detail"), CARRIED_OUT_OR_NOT)
    def test_a_pool_is_changed_once(self, place: Place):
        assert place.store.save_pool(a_pool(queues=["default"], limit=1), expected_version=1).version == 2
        assert place.store.save_pool(a_pool(queues=["default"], limit=2), expected_version=2).version == 3

    @pytest.mark.parametrize(("kind", "detail"), CARRIED_OUT_OR_NOT)
    def test_a_deployment_is_saved_once(self, place: Place):
        assert place.store.save_deployment(a_deployment(), expected_version=None, now=NOW).version == 1


def test_a_lost_answer_is_known_again_even_where_tokens_are_forgotten(place: Place, faults: Faults):
    place.clock.meanwhile = emulator().aws._transactions.reset
    run = a_stored_run(place.store)
    faults.add(TRANSACTION, FaultKind.LOSE_ANSWER)
    assert [claimed.run.id for claimed in claim(place.store).claims] == [run.id]
    faults.add(TRANSACTION, FaultKind.LOSE_ANSWER)
    other = a_run()
    assert place.store.add_runs([other]) == {other.id}
    assert place.store.check() == []


def test_a_claim_whose_second_transaction_is_never_answered_answers_with_the_first(place: Place, faults: Faults):
    place.store.add_runs([a_run() for _ in range(34)])
    lose = lambda _other: faults.add(TRANSACTION, FaultKind.LOSE_ANSWER, times=100)  # noqa: E731
    with place.coming_between(lose, at=2):
        assert len(claim(place.store).claims) == 33
    faults.reset()
    assert [claimed.repeat for claimed in claim(place.store, NOW + LEASE + MINUTE, takeovers=50, decide=nothing).claims] == [
        True
    ] * 34


@pytest.mark.parametrize("operation", ["Query", "BatchGetItem", "UpdateItem"])
def test_throttled_reads_and_updates_are_repeated(place: Place, faults: Faults, operation: str):
    a_stored_run(place.store)
    faults.add(f"dynamodb.{operation}", FaultKind.THROTTLE, times=3)
    hold(place.store)
    assert claim(place.store, decide=nothing, takeovers=1).claims == ()
    assert len(place.clock.slept) == 3


class TestPatience:
    @pytest.mark.parametrize("kind", [FaultKind.THROTTLE, FaultKind.LOSE_REQUEST, FaultKind.SERVER_ERROR])
    def test_a_store_gives_up_after_the_allowed_number_of_tries(self, faults: Faults, kind: FaultKind):
        place = a_place(patience=Patience(tries=5))
        faults.add(TRANSACTION, kind, times=100)
        with pytest.raises(StoreUnavailable, match=r"DynamoDB table 'dispatcher-\d+': no answer after 5 tries: ") as raised:
            a_stored_run(place.store)
        assert "\n" not in str(raised.value)
        assert len(place.recorder.tokens()) == 5
        assert len(place.clock.slept) == 4

    def test_a_store_gives_up_after_the_allowed_time_too(self, faults: Faults):
        place = a_place(patience=Patience(tries=1000, seconds=10))
        faults.add(TRANSACTION, FaultKind.THROTTLE, times=1000)
        with pytest.raises(StoreUnavailable):
            a_stored_run(place.store)
        assert 10 <= sum(place.clock.slept) <= 12

    def test_delays_grow_up_to_a_cap_and_follow_from_the_token(self, faults: Faults):
        places = [a_place(patience=Patience(tries=12, seconds=1000)) for _ in range(2)]
        faults.add(TRANSACTION, FaultKind.THROTTLE, times=1000)
        for place in places:
            with pytest.raises(StoreUnavailable):
                a_stored_run(place.store)
            assert place.clock.slept[0] <= 0.05
            assert all(0.5 * full <= slept <= full for slept, full in zip(place.clock.slept, FULL_DELAYS, strict=True))
        assert places[0].clock.slept != places[1].clock.slept, "two that were refused together do not come back together"

    def test_a_claim_that_always_loses_the_race_gives_up(self, place: Place):
        a_stored_run(place.store)

        def before(operation: str, _parameters: Any) -> None:
            if operation == "transact_write_items":
                stored = place.another().pool("pool")
                assert stored
                place.another().save_pool(stored, expected_version=stored.version)

        place.recorder.before = before
        with pytest.raises(StoreUnavailable, match="other writers came first 30 times in a row"):
            claim(place.store)


FULL_DELAYS = [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, *[2.0] * 5]


class TestOneLine:
    """Wrong settings, one line each."""

    def test_a_missing_table_is_named_with_what_makes_it(self):
        with pytest.raises(StoreError, match=r"no DynamoDB table 'nowhere'.*Terraform.*store migrate apply"):
            DynamoStore("nowhere", connect=connect).pools()

    def test_a_refused_identity_is_reported_in_the_words_of_aws(self, place: Place, faults: Faults):
        words = "User: arn:aws:iam::1:user/x is not authorized to perform: dynamodb:Query on resource: y"
        faults.add("dynamodb.Query", FaultKind.REFUSE, detail=f"AccessDeniedException: {words}")
        with pytest.raises(StoreError, match=r"AWS refuses access \(AccessDeniedException\): User: arn.*dynamodb:Query"):
            place.store.pools()

    def test_any_other_refusal_is_reported_with_its_reasons(self, place: Place, faults: Faults):
        faults.add(TRANSACTION, FaultKind.REFUSE, detail=cancelled("None", "ItemCollectionSizeLimitExceeded"))
        with pytest.raises(StoreError, match=r"TransactionCanceledException: .* about ItemCollectionSizeLimitExceeded"):
            a_stored_run(place.store)

    @pytest.mark.parametrize(("version", "fix"), [(2, "update push-dispatcher"), (0, "store migrate apply")])
    def test_another_schema_is_refused(self, place: Place, version: int, fix: str):
        item = {"pk": {"S": "SCHEMA"}, "sk": {"S": "SCHEMA"}, "version": {"N": str(version)}}
        connect().put_item(TableName=place.table, Item=item)
        with pytest.raises(StoreSchemaError, match=f"schema version {version}, this code knows 1: .*{fix}"):
            place.another().pools()

    def test_a_missing_region_is_named(self, monkeypatch: pytest.MonkeyPatch):
        for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
        with pytest.raises(StoreError, match="must specify a region"):
            DynamoStore("table").pools()

    def test_an_endpoint_where_nobody_listens_makes_the_store_unavailable(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "y")
        nobody = DynamoStore(
            "table", connect=lambda: connect_to("eu-central-1", "http://127.0.0.1:9"), patience=Patience(tries=2)
        )
        with pytest.raises(StoreUnavailable, match=r"no answer after 2 tries: Could not connect.*127\.0\.0\.1:9"):
            nobody.pools()


class TestTable:
    def test_a_table_that_exists_is_left_as_it_is(self, place: Place):
        run = a_stored_run(place.store)
        place.another().create_table()
        assert place.store.get(run.id) == run

    def test_ended_runs_expire_and_nothing_else_does(self):
        place = a_place(history=timedelta(days=7))
        waiting, running = a_stored_run(place.store), a_running_run(place.store)
        ended, lingering = a_running_run(place.store), a_running_run(place.store)
        place.store.move([Move.of(ended, RunState.COMPLETED, ended_at=NOW + MINUTE)])
        place.store.move([Move.of(lingering, RunState.COMPLETED, ended_at=NOW, lingers=True)])
        expiring = {ended.id.hex: str(int((NOW + MINUTE + timedelta(days=7)).timestamp()))}
        assert expiries(place) == expiring
        place.store.discarded([lingering.id])
        expiring[lingering.id.hex] = str(int((NOW + timedelta(days=7)).timestamp()))
        assert expiries(place) == expiring
        assert {waiting.id.hex, running.id.hex}.isdisjoint(expiring)

    def test_time_to_live_is_on(self):
        table = f"{fresh_table()}-made"
        DynamoStore(table, connect=connect).create_table()
        description = connect().describe_time_to_live(TableName=table)["TimeToLiveDescription"]
        assert description == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires_at"}


def expiries(place: Place) -> dict[str, str]:
    items = connect().scan(TableName=place.table)["Items"]
    return {item["pk"]["S"].removeprefix("RUN/"): item["expires_at"]["N"] for item in items if "expires_at" in item}
