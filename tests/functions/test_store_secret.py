"""A function on Lambda whose store's address, or the value of another variable, is a secret: read once, and never shown."""

from __future__ import annotations

import json

import boto3
import pytest

from dispatcher.errors import SettingsError
from dispatcher.functions import aws_lambda
from dispatcher.functions.store_secret import read_store, read_variables
from tests.functions.conftest import Context

PASSWORD = "p@ss/word"  # a character that an address has to escape


@pytest.fixture
def secret(aws):
    """Store a text; the secret's ARN."""
    client = boto3.client("secretsmanager", region_name="us-east-1", endpoint_url=aws.url)

    def store(text, name="store"):
        return client.create_secret(Name=name, SecretString=text)["ARN"]

    return store


def test_a_secret_may_be_the_address_of_the_store(secret):
    assert read_store(secret("postgresql://dispatcher:hush@db:5432/runs\n")) == "postgresql://dispatcher:hush@db:5432/runs"


def test_the_secret_format_of_rds_becomes_a_store_address(secret):
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


@pytest.mark.parametrize("text", ["hush", '["arn:aws:x"]', '{"PREFECT_API_KEY": "hush"}', '{"PREFECT_API_KEY": 7}'])
def test_variables_that_name_no_secrets_are_refused_and_not_shown(text):
    with pytest.raises(SettingsError, match="DISPATCHER_SECRET_ENVIRONMENT: give variables and ARNs") as refused:
        read_variables(text)
    assert "hush" not in str(refused.value)


def test_a_value_that_cannot_be_read_is_named(aws):
    arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:gone"
    with pytest.raises(SettingsError, match=r"DISPATCHER_SECRET_ENVIRONMENT: PREFECT_API_KEY: arn:.* cannot be read"):
        read_variables(json.dumps({"PREFECT_API_KEY": arn}))


def test_the_handler_signs_in_at_a_prefect_server_with_the_key_of_the_secret(function, secret, monkeypatch):
    arns = {"PREFECT_API_KEY": secret("pnu_hush\n", "key")}
    monkeypatch.setenv("DISPATCHER_SECRET_ENVIRONMENT", json.dumps(arns))
    monkeypatch.setenv("DISPATCHER_PREFECT_API_URL", "http://prefect.invalid/api")
    wiring = aws_lambda._wiring()
    assert wiring.dispatch.source.server._client.headers["Authorization"] == "Bearer pnu_hush"
    assert "pnu_hush" not in repr(wiring.settings)
    wiring.dispatch.source.close()
