"""DynamoDB for tests: moto in the ECS emulator, one for each test process, a fresh table for each test.

With TEST_DYNAMODB_ENDPOINT set, the conformance suite, the differential test and the races run on that server instead, as on
ministack (`pip install ministack` into an environment of its own, and
`BIND_HOST=127.0.0.1 IOT_MTLS_ENABLED=0 GATEWAY_PORT=4566 ministack`).
"""

import atexit
import os
import uuid
from functools import cache
from itertools import count
from typing import Any

from botocore.session import Session

from dispatcher.stores.dynamodb import DynamoStore
from dispatcher.stores.dynamodb.client import connect as connect_to
from dispatcher.stores.dynamodb.definition import TABLE_DEFINITION
from dispatcher.stores.dynamodb.requests import Patience
from providers.emulators.ecs import EcsEmulator

REGION = "eu-central-1"
ACCOUNT = "400000000004"
"""Its own, so that other tests of this process may start emulators too."""

ENDPOINT = os.environ.get("TEST_DYNAMODB_ENDPOINT")

PATIENCE = 300.0
"""Seconds for an answer: a test that counts requests, or gives time no part, is not about a server whose cores others need."""

PATIENT = Patience(seconds=120.0, try_seconds=60.0)
"""Of a store for which no test sets the times."""

_numbers = count(1)
_PREFIX = f"dispatcher-{uuid.uuid4().hex[:8]}" if ENDPOINT else "dispatcher"


@cache
def emulator() -> EcsEmulator:
    """The emulator of this process; it stops when the process ends."""
    started = EcsEmulator(account=ACCOUNT, region=REGION)
    started.start()
    atexit.register(started.stop)
    return started


def url() -> str:
    """Where DynamoDB is."""
    return ENDPOINT or emulator().url


@cache
def session() -> Session:
    """One with keys that are worth nothing. It reads the SDK's model of DynamoDB once."""
    made = Session()
    made.set_credentials("emulator", "emulator")
    return made


@cache
def connect() -> Any:
    """One client for all tests: to make one takes longer than most tests."""
    return new_client()


def new_client() -> Any:
    """A client of the kind that the store makes, except that it waits longer."""
    return connect_to(REGION, url(), session(), read_seconds=PATIENCE)


def fresh_table() -> str:
    """The name of a new, empty table."""
    name = f"{_PREFIX}-{next(_numbers)}"
    if ENDPOINT is None:
        connect().create_table(TableName=name, **TABLE_DEFINITION)  # it is there at once, and forgets nothing by itself
    else:
        DynamoStore(name, connect=connect, patience=PATIENT).create_table()
    return name
