"""Secrets of AWS Secrets Manager that the function's environment names by their ARNs. This loads botocore.

DISPATCHER_STORE_SECRET names that of the store's address: the address itself (`postgresql://user:password@host:5432/database`),
or the object that RDS keeps for a database (`username`, `password`, `host`, `port`, `dbname`). DISPATCHER_SECRET_ENVIRONMENT is
a JSON object of further variables and the ARNs of their values. Each is read once, when an instance of the function starts; the
role of the function needs `secretsmanager:GetSecretValue` on it.
https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_secret_json_structure.html
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from dispatcher.errors import SettingsError
from providers.aws import new_session

NAME = "DISPATCHER_STORE_SECRET"
VARIABLES = "DISPATCHER_SECRET_ENVIRONMENT"
SECONDS = 3.0
"""Seconds to connect, and to answer. A failed call is repeated once, since nothing can be done without the secret."""


def read_store(arn: str) -> str:
    """The store's address. Raises `SettingsError` that names the secret and says what AWS answered, never what it holds."""
    text = _text(NAME, arn)
    address = _address(text) if text.lstrip().startswith("{") else text.strip()
    if "://" not in address:
        raise SettingsError(f"{NAME}: {arn} holds neither an address, as postgresql://..., nor the object that RDS keeps")
    return address


def read_variables(text: str) -> dict[str, str]:
    """The variables of DISPATCHER_SECRET_ENVIRONMENT with their values. Raises `SettingsError`, which holds none of them."""
    try:
        arns = json.loads(text)
    except ValueError:
        arns = None
    if not isinstance(arns, dict) or not all(isinstance(arn, str) and arn.startswith("arn:") for arn in arns.values()):
        raise SettingsError(f'{VARIABLES}: give variables and ARNs, as {{"PREFECT_API_KEY": "arn:aws:secretsmanager:..."}}')
    return {name: _text(f"{VARIABLES}: {name}", arn).strip() for name, arn in arns.items()}


def _text(setting: str, arn: str) -> str:
    try:
        text: str = _client(arn).get_secret_value(SecretId=arn).get("SecretString", "")
    except (ClientError, BotoCoreError) as problem:
        raise SettingsError(f"{setting}: {arn} cannot be read: {problem}") from problem
    return text


def _address(text: str) -> str:
    try:
        secret = json.loads(text)
        user, password = quote(secret["username"], safe=""), quote(secret["password"], safe="")
        return f"postgresql://{user}:{password}@{secret['host']}:{secret.get('port', 5432)}/{secret.get('dbname', 'postgres')}"
    except (ValueError, KeyError, TypeError):
        return ""


def _client(arn: str) -> Any:
    config = Config(retries={"total_max_attempts": 2}, connect_timeout=SECONDS, read_timeout=SECONDS)
    parts = arn.split(":")
    region = parts[3] if len(parts) > 3 else None
    return new_session().create_client("secretsmanager", region_name=region, config=config)
