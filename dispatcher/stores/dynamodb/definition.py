"""The table as data, for Terraform, `DynamoStore.create_table` and the tests. Loads no SDK."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SCHEMA_VERSION = 1
"""The version of the table's contents. It rises when items change in a way that older code cannot read."""

LISTING = "listing"
"""The only index: runs of a pool, newest first, for people. No decision depends on it."""

CONNECT_SECONDS = 2.0
READ_SECONDS = 5.0
"""A transaction of 100 items takes some tens of milliseconds; one that takes seconds is sent again."""

EXPIRES_AT = "expires_at"
"""The attribute that DynamoDB's time to live looks at: seconds since the epoch, on ended runs alone."""

TABLE_DEFINITION: Mapping[str, Any] = {
    "BillingMode": "PAY_PER_REQUEST",
    "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "pool", "listed")],
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": LISTING,
            "KeySchema": [{"AttributeName": "pool", "KeyType": "HASH"}, {"AttributeName": "listed", "KeyType": "RANGE"}],
            "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["queue", "deployment", "state"]},
        }
    ],
}
"""The parameters of CreateTable, except the name."""

TIME_TO_LIVE: Mapping[str, Any] = {"Enabled": True, "AttributeName": EXPIRES_AT}
"""The `TimeToLiveSpecification` that goes with it."""

TICK_ACTIONS = (
    "dynamodb:BatchGetItem",
    "dynamodb:DeleteItem",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:Query",
    "dynamodb:UpdateItem",
)
"""The rights that a function's identity needs on the table. Transactions need no right of their own.

People, who work through the client, need `dynamodb:ConditionCheckItem` besides, and `dynamodb:Query` on the index too;
`DynamoStore.check` and copies need `dynamodb:Scan`."""
