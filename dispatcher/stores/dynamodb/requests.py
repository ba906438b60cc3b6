"""Requests to one table: the only place that repeats requests and turns the SDK's errors into ours.

Every request may be repeated: a read changes nothing, a condition holds only once, and a transaction is recognised by its
token. An answer counts only if it names the table (`answers`), and a request with all its repeats ends within
`Patience.seconds`, however slowly answers arrive.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

from dispatcher.core.backoff import delay
from dispatcher.environment.clock import Clock
from dispatcher.errors import StoreError, StoreUnavailable
from dispatcher.stores.dynamodb import keys
from dispatcher.stores.dynamodb.answers import ODD, OddAnswer, expect, with_echo
from dispatcher.stores.dynamodb.definition import SCHEMA_VERSION
from dispatcher.stores.dynamodb.items import Item, key_in, key_of, keyed, number_in
from dispatcher.stores.dynamodb.keys import Key
from dispatcher.stores.dynamodb.problems import (
    AlreadyThere,
    ConditionFailed,
    Failures,
    NoClient,
    NoSuchTable,
    code_of,
    failed_conditions,
    passes,
    refused,
    wrong_schema,
)
from providers.deadlines import NoAnswerInTime, within

READ_AT_ONCE = 100
"""The most items of one BatchGetItem."""
LEAST_SECONDS = 0.2
"""The least time of the last try: with less it could not succeed."""
ROUNDS = 30
"""How many times a step is read, decided and written again because other writers came first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a request is repeated while AWS throttles it or does not answer."""

    tries: int = 10
    seconds: float = 20.0
    """A request with all its repeats ends within this time, or at most `LEAST_SECONDS` later."""
    try_seconds: float = 7.0
    """The most time of one whole try (connecting and one read), however slowly its answer arrives."""
    first_delay: float = 0.05
    longest_delay: float = 2.0


class Table:
    """One table and its client. The first request makes the client; in a forked process, the first request makes a new one."""

    def __init__(self, name: str, connect: Callable[[], Any], clock: Clock, patience: Patience) -> None:
        self.name, self.clock = name, clock
        self._connect, self._patience = connect, patience
        self._client: Any = None
        self._known = False
        self._process = os.getpid()

    def close(self) -> None:
        """Close the connections; the next request opens new ones."""
        client, self._client, self._known = self._client, None, False
        if client is not None and self._process == os.getpid():
            client.close()

    @property
    def client(self) -> Any:
        """The client. Raises `StoreError` if it cannot be made."""
        if self._process != os.getpid():
            self._client, self._process = None, os.getpid()  # the parent's connections stay the parent's
        if self._client is None:
            try:
                self._client = self._connect()
            except NoClient as problem:
                raise StoreError(f"DynamoDB table {self.name!r}: {problem}") from problem
        return self._client

    def new_token(self) -> str:
        """A new token, by which a repeated transaction is recognised."""
        return str(self.clock.new_id())

    # Reading: always strongly consistent, except from the index

    def items(self, requested: Sequence[Key]) -> Mapping[Key, Item]:
        """The items of these keys that exist."""
        self._check_schema()
        items: dict[Key, Item] = {}
        distinct = list(dict.fromkeys(requested))
        for first in range(0, len(distinct), READ_AT_ONCE):
            items.update(self._batch(distinct[first : first + READ_AT_ONCE]))
        return items

    def query(self, partition: str, *, first: str = "", before: str = "", page: int | None = None) -> Iterator[Item]:
        """The items of a partition in order, from one sort key on, before another, or both. Pages are read as the caller takes
        items.

        If both are given, no item may have the sort key `before`.
        """
        return self.pages(page, ConsistentRead=True, **_range(partition, first, before))

    def pages(self, page: int | None, **request: Any) -> Iterator[Item]:
        """The answers to a Query, page by page. A page has up to `page` items, or as many as fit."""
        self._check_schema()
        for answer in self._answers("query", {**request, "Limit": page} if page else request):
            yield from answer["Items"]

    def answer(self, page: int, **request: Any) -> Mapping[str, Any]:
        """One answer to a Query that looks at up to `page` items, whether they match its filter or not."""
        self._check_schema()
        answer: Mapping[str, Any] = self._ask("query", **request, Limit=page)
        return answer

    def count(self, partition: str, *, first: str = "", before: str = "") -> int:
        """How many items of a partition have sort keys from `first` on, before `before`, or both."""
        self._check_schema()
        request = {"Select": "COUNT", "ConsistentRead": True, **_range(partition, first, before)}
        return sum(answer["Count"] for answer in self._answers("query", request))

    def scan(self) -> Iterator[Item]:
        """Every item of the table."""
        self._check_schema()
        for answer in self._answers("scan", {"ConsistentRead": True}):
            yield from answer["Items"]

    # Writing

    def update(self, key: Key, **request: Any) -> bool:
        """Write one item; False if its condition does not hold."""
        self._check_schema()
        try:
            self._ask("update_item", Key=key_of(key), **request)
        except ConditionFailed:
            return False
        return True

    def transact(self, actions: Mapping[Key, tuple[str, Mapping[str, Any]]], token: str) -> frozenset[Key]:
        """Carry out all actions, or none. If none, returns those whose conditions did not hold.

        An action is its kind (Put, Update, Delete, ConditionCheck) and its parameters, except table and key. A condition
        that fails on an item with this very token shows that an earlier try succeeded and its answer was lost.
        """
        self._check_schema()
        request = [{kind: self._action(kind, key, parameters)} for key, (kind, parameters) in actions.items()]
        try:
            self._ask("transact_write_items", TransactItems=request, ClientRequestToken=token, TableName=None)
        except ConditionFailed as failed:
            if any({"S": token} in item.values() for item in failed.items.values()):
                return frozenset()
            return frozenset(key for number, key in enumerate(actions) if number in failed.items)
        return frozenset()

    def rounds(self, action: str) -> Iterator[int]:
        """Repeat reading, deciding and writing while other writers come first. Raises `StoreUnavailable` after the last."""
        name = self.new_token()
        for past in range(ROUNDS):
            if past:
                self.clock.sleep(delay(past, name, first=0.01, cap=0.5))
            yield past
        raise StoreUnavailable(
            f"DynamoDB table {self.name!r}: {action}: other writers came first {ROUNDS} times in a row; try again"
        )

    # The table itself

    def create(self, definition: Mapping[str, Any]) -> None:
        """Request the table's creation; an existing table stays as it is."""
        with suppress(AlreadyThere):
            self._ask("create_table", **definition)

    def exists(self) -> bool:
        """Whether the table exists. Raises `StoreSchemaError` if this code does not know its schema."""
        try:
            self._check_schema()
        except NoSuchTable:
            return False
        return True

    def is_active(self) -> bool:
        """Whether the table can be used."""
        return bool(self._ask("describe_table")["Table"]["TableStatus"] == "ACTIVE")

    def expire(self, specification: Mapping[str, Any]) -> None:
        """Switch on the expiry of ended runs, unless it is on already."""
        status = self._ask("describe_time_to_live")["TimeToLiveDescription"]["TimeToLiveStatus"]
        if status not in ("ENABLED", "ENABLING"):
            self._ask("update_time_to_live", TimeToLiveSpecification=specification)

    # Below

    def _answers(self, operation: str, request: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        answer = self._ask(operation, **request)
        yield answer
        while "LastEvaluatedKey" in answer:
            answer = self._ask(operation, **request, ExclusiveStartKey=answer["LastEvaluatedKey"])
            yield answer

    def _action(self, kind: str, key: Key, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        named = {**parameters, "TableName": self.name}
        if "ConditionExpression" in parameters:
            named["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
        if kind == "Put":
            return {**named, "Item": keyed(key, parameters["Item"])}
        return {**named, "Key": key_of(key)}

    def _batch(self, requested: Sequence[Key]) -> Mapping[Key, Item]:
        """One BatchGetItem, repeated for the items that it left unread: a throttled answer may hold only some of them."""
        left: Any = [key_of(key) for key in requested]
        items: dict[Key, Item] = {}
        name = ""
        for past in range(self._patience.tries):
            if past:
                name = name or self.new_token()
                self._wait(past, name)
            request = {self.name: {"Keys": left, "ConsistentRead": True}}
            answer = self._ask("batch_get_item", RequestItems=request, TableName=None)
            items.update((key_in(item), item) for item in answer["Responses"].get(self.name, []))
            left = answer.get("UnprocessedKeys", {}).get(self.name, {}).get("Keys")
            if not left:
                return items
        raise self._unavailable(self._patience.tries, f"{len(left)} of {len(requested)} items were not read")

    def _check_schema(self) -> None:
        """Check once that this code knows the table's schema version. A new table gets this code's version."""
        if self._known:
            return
        item = self._ask("get_item", Key=key_of(keys.SCHEMA), ConsistentRead=True).get("Item")
        if item is None:
            self._mark()
        elif problem := wrong_schema(self.name, number_in(item, "version")):
            raise problem
        self._known = True

    def _mark(self) -> None:
        item = keyed(keys.SCHEMA, {"version": {"N": str(SCHEMA_VERSION)}})
        with suppress(ConditionFailed):  # somebody else was quicker
            self._ask("put_item", Item=item, ConditionExpression="attribute_not_exists(pk)")

    def _ask(self, operation: str, **request: Any) -> Any:
        """Make one request, and repeat it while that may help. Raises `ConditionFailed` or a `StoreError`."""
        named = {"TableName": self.name, **with_echo(operation, request)}
        parameters = {name: value for name, value in named.items() if value is not None}
        started, name, left = self.clock.now(), "", self._patience.seconds
        for number in range(1, self._patience.tries + 1):
            answer, words = self._try(operation, parameters, max(min(self._patience.try_seconds, left), LEAST_SECONDS))
            if answer is not None:
                return answer
            left = self._patience.seconds - (self.clock.now() - started).total_seconds()
            if left <= 0 or number == self._patience.tries:
                break
            name = name or parameters.get("ClientRequestToken") or self.new_token()
            self._wait(number, name)
        raise self._unavailable(number, words)

    def _try(self, operation: str, parameters: Mapping[str, Any], seconds: float) -> tuple[Any, str]:
        """The answer; or None and the reason, if a repeat may succeed. Raises `ConditionFailed` or a `StoreError` for
        everything else.
        """
        failures = failures_of(self.client)
        unanswered: tuple[type[Exception], ...] = (*failures.unanswered, NoAnswerInTime)
        unreadable: tuple[type[Exception], ...] = (*failures.unreadable, OddAnswer)
        try:
            return self._answer(operation, parameters, seconds, failures), ""
        except failures.refused as problem:
            return None, self._passing_words(getattr(problem, "response", {}))
        except unanswered as problem:
            return None, str(problem)
        except unreadable as problem:
            return None, f"this is not an answer of DynamoDB's: {problem}"
        except failures.other as problem:
            raise StoreError(f"DynamoDB table {self.name!r}: {problem}") from problem

    def _answer(self, operation: str, parameters: Mapping[str, Any], seconds: float, failures: Failures) -> Any:
        """One try, within its time. Raises what the client raises, `NoAnswerInTime` or `OddAnswer`."""
        call = getattr(self.client, operation)
        try:
            answer = within(seconds, lambda: call(**parameters))
        except ODD as problem:  # the SDK fails on a body of another shape
            if isinstance(problem, failures.other):
                raise
            raise OddAnswer(f"{type(problem).__name__}: {problem}") from problem
        expect(operation, self.name, parameters, answer)
        return answer

    def _passing_words(self, response: Mapping[str, Any]) -> str:
        """AWS's reason, if a repeat may succeed. Raises for everything else."""
        try:
            code = code_of(response)
            failed, passing = failed_conditions(response, code), passes(response, code)
            refusal = refused(self.name, response, code)
        except ODD as problem:
            return f"this is not an answer of DynamoDB's: {type(problem).__name__}: {problem}"
        if failed:
            raise failed
        if code == "ResourceInUseException":
            raise AlreadyThere
        if not passing:
            raise refusal
        return f"{code}: {response.get('Error', {}).get('Message', '')}"

    def _wait(self, past: int, name: str) -> None:
        self.clock.sleep(delay(past, name, first=self._patience.first_delay, cap=self._patience.longest_delay))

    def _unavailable(self, tries: int, words: str) -> StoreUnavailable:
        return StoreUnavailable(f"DynamoDB table {self.name!r}: no answer after {tries} tries: {words}")


def failures_of(client: Any) -> Failures:
    """The exceptions of a client. A client that names none is the SDK's."""
    own = getattr(client, "failures", None)
    if not isinstance(own, Failures):
        own = importlib.import_module("dispatcher.stores.dynamodb.client").FAILURES
    return cast("Failures", own)


def _range(partition: str, first: str, before: str) -> Mapping[str, Any]:
    condition, values = "pk = :pk", {":pk": {"S": partition}}
    if first and before:
        condition = "pk = :pk AND sk BETWEEN :first AND :before"
        values = {**values, ":first": {"S": first}, ":before": {"S": before}}
    elif first:
        condition, values = "pk = :pk AND sk >= :first", {**values, ":first": {"S": first}}
    elif before:
        condition, values = "pk = :pk AND sk < :before", {**values, ":before": {"S": before}}
    return {"KeyConditionExpression": condition, "ExpressionAttributeValues": values}
