"""A query of the emulator's DynamoDB answers as moto's own does, which goes through the whole table, whatever was written."""

from __future__ import annotations

import random
from typing import Any

import pytest
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.table import Table

from providers.emulators.ecs import queries, transactions

HOT, COLD = "hot", "cold"
INDEXES = {
    None: ("pk", "sk"),
    "listing": ("group", "at"),
    "local": ("pk", "at"),
    "words": ("group", "name"),
    "single": ("group",),
}
COMPARISONS = ("=", "<", "<=", ">", ">=", "BETWEEN", "BEGINS_WITH")


def a_backend() -> DynamoDBBackend:
    """One with a table of every kind of index."""

    def index(name: str) -> dict[str, Any]:
        kinds = ("HASH", "RANGE")
        schema = [{"AttributeName": key, "KeyType": kind} for key, kind in zip(INDEXES[name], kinds, strict=False)]
        projection = {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["text", "deep"]}
        return {
            "IndexName": name,
            "KeySchema": schema,
            "Projection": {"ProjectionType": "ALL"} if name == "words" else projection,
        }

    backend = DynamoDBBackend("eu-central-1", "400000000005")
    backend.create_table(
        "table",
        schema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        throughput=None,
        attr=[
            {"AttributeName": name, "AttributeType": "N" if name == "at" else "S"}
            for name in ("pk", "sk", "group", "at", "name")
        ],
        global_indexes=[index("listing"), index("words"), index("single")],
        indexes=[index("local")],
        streams=None,
        billing_mode="PAY_PER_REQUEST",
        sse_specification=None,
        tags=[],
        deletion_protection_enabled=False,
        warm_throughput=None,
    )
    return backend


class Walk:
    """Random writes and queries."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.backend = a_backend()

    @property
    def table(self) -> Table:
        return self.backend.tables["table"]

    def word(self) -> str:
        return "".join(self.random.choices("ab\U0010ffff", k=self.random.randint(1, 3)))

    def key(self) -> dict[str, Any]:
        return {"pk": {"S": self.random.choice([HOT, HOT, COLD])}, "sk": {"S": self.word()}}

    def item(self) -> dict[str, Any]:
        item = {
            **self.key(),
            "text": {"S": "x" * self.random.choice([1, 10, 150_000])},
            "deep": {"M": {"a": {"L": [{"N": "1.0"}]}}},
        }
        item |= self.chosen({"group": {"S": self.word()[:1]}, "at": {"N": self.number()}, "name": {"S": self.word()}})
        return {**item, "at": {"S": "of another type"}} if self.random.random() < 0.01 else item

    def chosen(self, attributes: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in attributes.items() if self.random.random() < 0.8}

    def number(self) -> str:
        return self.random.choice(["-3", "0", "1", "1.0", "2.5", "10"])

    def write(self) -> None:
        match self.random.choice(["put", "put", "update", "delete", "transaction"]):
            case "put":
                self.backend.put_item("table", self.item())
            case "update":
                self.backend.update_item("table", self.key(), **self.update())
            case "delete":
                self.backend.delete_item("table", self.key())
            case _:
                self.transaction()

    def update(self) -> dict[str, Any]:
        values = {":group": {"S": self.word()[:1]}, ":at": {"N": self.number()}}
        return {
            "update_expression": "SET #group = :group, #at = :at REMOVE #name",
            "expression_attribute_names": {"#group": "group", "#name": "name", "#at": "at"},
            "expression_attribute_values": values,
        }

    def transaction(self) -> None:
        """A put, a delete and an update, of which the last one may fail."""
        update = self.update()
        actions = [
            {"Put": {"TableName": "table", "Item": self.item()}},
            {"Delete": {"TableName": "table", "Key": self.key()}},
            {
                "Update": {
                    "TableName": "table",
                    "Key": self.key(),
                    "UpdateExpression": update["update_expression"],
                    "ExpressionAttributeNames": update["expression_attribute_names"],
                    "ExpressionAttributeValues": update["expression_attribute_values"],
                    "ConditionExpression": f"attribute_{self.random.choice(['exists', 'not_exists'])}(pk)",
                }
            },
        ]
        with transactions._snapshots.transaction(actions):
            outcome(self.backend.transact_write_items, actions)

    def query(self) -> dict[str, Any]:
        """The arguments of a query; some are those of no request that makes sense."""
        index = self.random.choice([*INDEXES, "absent"])
        partition, *sort = INDEXES.get(index, ("pk", "sk"))
        comparison = self.random.choice([None, None, *COMPARISONS]) if sort else None
        values = [self.value(sort[0]) for _ in range(2 if comparison == "BETWEEN" else 1)] if comparison else []
        value = {"S": self.random.choice([HOT, COLD])} if partition == "pk" else {"S": self.word()[:1]}
        filters = [None, None, "begins_with(#name, :word)"]
        words = {
            "filter_expression": self.random.choice(filters),
            "expr_names": {"#name": "name"},
            "expr_values": {":word": {"S": "a"}},
        }
        return {
            "hash_key_dict": value,
            "range_comparison": comparison,
            "range_value_dicts": values,
            "limit": self.random.choice([None, 0, 1, 2, 3, 8]),
            "exclusive_start_key": self.start(index, value),
            "scan_index_forward": self.random.choice([True, False]),
            "projection_expressions": self.random.choice([None, [["text"], ["at"]], [["deep", "a[0]"]]]),
            "index_name": index,
            "consistent_read": self.random.random() < 0.05,
            "hash_key_conditions": [(partition, value)],
            "range_key_conditions": [(sort[0], comparison, values)] if comparison else [],
            **(words if words["filter_expression"] else {}),
            **self.chosen_filter(),
        }

    def chosen_filter(self) -> dict[str, Any]:
        is_old = self.random.random() < 0.03
        return {"text": {"AttributeValueList": [{"S": "x"}], "ComparisonOperator": "EQ"}} if is_old else {}

    def start(self, index: str | None, partition: dict[str, Any]) -> dict[str, Any] | None:
        """Nothing, or the key of an item, or of none."""
        if self.random.random() < 0.5:
            return None
        names = {"pk", "sk", *INDEXES.get(index, ())}
        item = self.random.choice(self.table.all_items() or [None])
        if item is not None and self.random.random() < 0.7:
            return {name: value.to_json() for name, value in item.attrs.items() if name in names}
        return {name: self.value(name) for name in names} | {INDEXES.get(index, ("pk",))[0]: partition}

    def value(self, name: str) -> dict[str, Any]:
        if self.random.random() < 0.02:
            return {"B": "YQ=="}
        return {"N": self.number()} if name == "at" else {"S": self.random.choice([self.word(), self.word()[:1], HOT, COLD])}


def outcome(act: Any, *arguments: Any, **others: Any) -> Any:
    """What came of it, in a form that can be compared."""
    try:
        answer = act(*arguments, **others)
    except Exception as error:  # noqa: BLE001 - the same error is wanted, whatever it is
        return type(error), str(error)
    if not isinstance(answer, tuple):
        return answer
    items, count, last = answer
    return [item.to_json() for item in items], count, last and {name: value.to_json() for name, value in last.items()}


@pytest.mark.parametrize("seed", range(4))
def test_a_query_answers_as_one_that_goes_through_the_whole_table(seed, monkeypatch):
    walk, narrowed = Walk(seed), []
    items = queries._items
    monkeypatch.setattr(
        queries, "_items", lambda *asked: narrowed.append(None) or narrowed.__setitem__(-1, items(*asked)) or narrowed[-1]
    )
    for _ in range(250):
        walk.write()
        asked = walk.query()
        quick = outcome(walk.backend.query, "table", **asked)
        with monkeypatch.context() as patch:
            patch.setattr(Table, "query", queries._query)
            assert quick == outcome(walk.backend.query, "table", **asked), asked
    seen = [items for items in narrowed if items is not None]
    assert len(seen) > 50
    assert sum(map(len, seen)) < len(seen) * len(walk.table.all_items()) / 2


def test_an_answer_that_is_almost_full_says_that_there_is_more_as_by_moto(monkeypatch):
    """moto weighs also the items after those that match."""
    backend = a_backend()
    for name, size in (("a", 390_000), ("b", 390_000), ("c", 1), ("d", 390_000)):
        backend.put_item("table", {"pk": {"S": HOT}, "sk": {"S": name}, "text": {"S": "x" * size}})
    up_to_b = {
        "range_comparison": "<=",
        "range_value_dicts": [{"S": "b"}],
        "range_key_conditions": [("sk", "<=", [{"S": "b"}])],
    }
    quick = outcome(backend.query, "table", **{**a_partition(), **up_to_b})
    assert quick[2] == {"pk": {"S": HOT}, "sk": {"S": "b"}}
    monkeypatch.setattr(Table, "query", queries._query)
    assert quick == outcome(backend.query, "table", **{**a_partition(), **up_to_b})


def test_a_table_restored_from_a_backup_has_partitions_of_its_own():
    backend = a_backend()
    backend.put_item("table", {"pk": {"S": HOT}, "sk": {"S": "a"}})
    assert keys_in(backend, "table") == ["a"]
    backup = backend.create_backup("table", "backup")
    backend.put_item("table", {"pk": {"S": HOT}, "sk": {"S": "b"}})
    backend.restore_table_from_backup("restored", backup.arn)
    backend.put_item("restored", {"pk": {"S": HOT}, "sk": {"S": "c"}})
    assert (keys_in(backend, "table"), keys_in(backend, "restored")) == (["a", "b"], ["a", "c"])


def keys_in(backend: DynamoDBBackend, table: str) -> list[str]:
    items, *_ = backend.query(table, **a_partition())
    return [item.range_key.value for item in items]


def a_partition() -> dict[str, Any]:
    """The arguments of a query of a whole partition."""
    return {
        "hash_key_dict": {"S": HOT},
        "range_comparison": None,
        "range_value_dicts": [],
        "limit": None,
        "exclusive_start_key": None,
        "scan_index_forward": True,
        "projection_expressions": None,
        "hash_key_conditions": [("pk", {"S": HOT})],
    }
