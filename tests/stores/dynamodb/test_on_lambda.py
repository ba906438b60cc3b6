"""On Lambda the store works without the SDK; DynamoDB is asked and answers as it does with it."""

import os
import subprocess
import sys
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dispatcher.errors import Conflict, StoreError, StoreUnavailable
from dispatcher.models import RunState
from dispatcher.models.records import Move, RunFilter
from dispatcher.stores.dynamodb import DynamoStore
from dispatcher.stores.dynamodb.on_lambda import LambdaClient, RefusedRequest, client_here
from dispatcher.stores.dynamodb.requests import Patience
from providers.emulators.faults import FaultKind, Faults
from providers.on_lambda import ASKS_FOR_MORE, LambdaHost
from tests.builders import NOW, a_deployment, a_pool, a_run
from tests.stores.dynamodb_server import REGION, connect, fresh_table, url
from tests.stores.steps import a_running_run, a_stored_run, a_whole_life, claim, granting, hold

LAMBDA = {
    "AWS_LAMBDA_FUNCTION_NAME": "tick",
    "AWS_REGION": REGION,
    "AWS_ACCESS_KEY_ID": "emulator",
    "AWS_SECRET_ACCESS_KEY": "emulator",
    "AWS_SESSION_TOKEN": "token",
}


@pytest.fixture(autouse=True)
def _on_lambda(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    for name, value in {**LAMBDA, "HOME": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.delenv(name, raising=False)


def a_client() -> LambdaClient:
    return LambdaClient(LambdaHost(service="dynamodb", region=REGION, url=url()), 2.0, 5.0)


class Compared:
    """Ours; what it reads, and every refusal, has to be what the SDK gets too."""

    failures = LambdaClient.failures

    def __init__(self) -> None:
        self.ours, self.theirs = a_client(), connect()
        self.answers: list[str] = []

    def __getattr__(self, operation: str) -> Any:
        def ask(**parameters: Any) -> Any:
            try:
                answer = getattr(self.ours, operation)(**parameters)
            except RefusedRequest as ours:
                with pytest.raises(ClientError) as theirs:
                    getattr(self.theirs, operation)(**parameters)
                self.compare(operation, ours.response, theirs.value.response)
                raise
            if operation in {"get_item", "batch_get_item", "query", "scan", "describe_table", "describe_time_to_live"}:
                self.compare(operation, answer, getattr(self.theirs, operation)(**parameters))
            return answer

        return ask

    def compare(self, operation: str, ours: Any, theirs: Any) -> None:
        names = {"Items", "Item", "Count", "LastEvaluatedKey", "Responses", "ConsumedCapacity", "CancellationReasons", "Error"}
        assert {name: ours.get(name) for name in names} == {name: theirs.get(name) for name in names}
        self.answers.append(operation if "Error" not in ours else ours["Error"]["Code"])


def test_every_request_gets_the_same_answer_as_the_sdk():
    client = Compared()
    store = DynamoStore(fresh_table(), connect=lambda: client)
    pool = store.save_pool(a_pool(queues=["high", "default"]), expected_version=None)
    a_whole_life(store)
    store.save_deployment(a_deployment(), expected_version=None, now=NOW)
    runs = [a_stored_run(store, tags=("ü", '"')) for _ in range(3)]
    claim(store, decide=granting(*runs))
    hold(store)
    assert store.runs(RunFilter(tag="ü"), limit=10) == store.runs(RunFilter(states=frozenset({RunState.PENDING})), limit=10)
    assert store.add_runs([runs[0]]) == frozenset()
    with pytest.raises(Conflict):
        store.save_pool(pool, expected_version=7)
    assert len([run for page in store.every_run() for run in page]) == 4
    assert store.pools_with_work(NOW) == []
    assert store.counts("pool", NOW)["default"].in_use == 3
    assert {"get_item", "batch_get_item", "query", "scan", "TransactionCanceledException"} <= set(client.answers)


def test_a_failed_condition_returns_the_stored_item():
    client = Compared()
    store = DynamoStore(fresh_table(), connect=lambda: client)
    store.heartbeat("nobody's", NOW)
    assert client.answers[-1] == "ConditionalCheckFailedException"


def test_a_missing_table_is_reported():
    with pytest.raises(StoreError, match="there is no DynamoDB table 'nothing'"):
        DynamoStore("nothing", connect=a_client).pools()


@pytest.mark.parametrize("kind", [FaultKind.THROTTLE, FaultKind.SERVER_ERROR, FaultKind.LOSE_ANSWER, FaultKind.LOSE_REQUEST])
def test_a_call_that_failed_for_the_moment_is_repeated(faults: Faults, kind: FaultKind):
    store = DynamoStore(fresh_table(), connect=a_client, patience=Patience(first_delay=0.0, longest_delay=0.0))
    store.save_pool(a_pool(), expected_version=None)
    run = a_running_run(store)
    faults.add("dynamodb.TransactWriteItems", kind)
    assert store.move([Move.of(run, RunState.COMPLETED, ended_at=NOW)]) == {run.id}


def test_a_throttle_that_does_not_pass_ends_as_an_unavailable_store(faults: Faults):
    store = DynamoStore(fresh_table(), connect=a_client, patience=Patience(tries=2, first_delay=0.0, longest_delay=0.0))
    store.save_pool(a_pool(), expected_version=None)
    for _ in range(2):
        faults.add("dynamodb.TransactWriteItems", FaultKind.THROTTLE)
    with pytest.raises(StoreUnavailable, match="no answer after 2 tries: Throttl"):
        store.add_runs([a_run()])


def test_the_small_client_is_used_only_on_lambda(monkeypatch: pytest.MonkeyPatch):
    for name in [name for name in os.environ if ASKS_FOR_MORE.fullmatch(name)]:
        monkeypatch.delenv(name)
    client = client_here(None)
    assert isinstance(client, LambdaClient)
    client.close()
    monkeypatch.setenv("AWS_PROFILE", "team")
    assert client_here(None) is None


PROGRAM = """
import sys
from dispatcher.stores.opening import open_store
store = open_store("dynamodb://runs")
assert store._table.client
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def test_nothing_of_the_sdk_is_loaded(tmp_path: Any):
    environment = {**LAMBDA, "HOME": str(tmp_path), "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, check=True, capture_output=True, text=True)
    assert "urllib3" in done.stdout.split()
    assert not {"botocore", "boto3"} & set(done.stdout.split())
