"""A function on Lambda whose store's address is a secret: read once when it starts, and never shown."""

from __future__ import annotations

import json

import boto3
import pytest

from dispatcher.errors import SettingsError
from dispatcher.functions import aws_lambda
from dispatcher.functions.store_secret import read_store
from tests.functions.conftest import Context

PASSWORD = "p@ss/word"  # a character that an address has to escape


@pytest.fixture
def secret(aws):
    """Store a text; the secret's ARN."""
    client = boto3.client("secretsmanager", region_name="us-east-1", endpoint_url=aws.url)

    def store(text):
        return client.create_secret(Name="store", SecretString=text)["ARN"]

    return store


def test_the_address_itself(secret):
    assert read_store(secret("postgresql://dispatcher:hush@db:5432/runs\n")) == "postgresql://dispatcher:hush@db:5432/runs"


def test_the_object_that_rds_keeps(secret):
    database = {
        "username": "dispatcher",
        "password": PASSWORD,
        "host": "db",
        "port": 5433,
        "dbname": "runs",
        "engine": "postgres",
    }
    assert read_store(secret(json.dumps(database))) == "postgresql://dispatcher:p%40ss%2Fword@db:5433/runs"


@pytest.mark.parametrize("text", ["hush", '{"password": "hush"}', "{hush"])
def test_another_text_is_refused_and_not_shown(secret, text):
    with pytest.raises(SettingsError, match=r"DISPATCHER_STORE_SECRET: arn:.* holds neither an address") as refused:
        read_store(secret(text))
    assert "hush" not in str(refused.value)


def test_a_secret_that_is_not_there_is_named(aws):
    with pytest.raises(SettingsError, match=r"DISPATCHER_STORE_SECRET: arn:aws:.*:store cannot be read: .*ResourceNotFound"):
        read_store("arn:aws:secretsmanager:us-east-1:123456789012:secret:store")


def test_the_handler_uses_the_store_of_the_secret(function, secret, monkeypatch):
    monkeypatch.delenv("DISPATCHER_STORE")
    monkeypatch.setenv("DISPATCHER_STORE_SECRET", secret(function.url))
    function.create()
    (pool,) = aws_lambda.handler({}, Context(60))["pools"]
    assert (pool["pool"], pool["submitted"]) == ("batch", 1)
