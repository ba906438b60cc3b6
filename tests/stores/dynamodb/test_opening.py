"""From a URL to the first request."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from dispatcher.errors import SettingsError
from dispatcher.stores.dynamodb import TABLE_DEFINITION, open_url
from dispatcher.stores.dynamodb.store import HISTORY
from dispatcher.wiring import open_store, without_password
from tests.builders import a_pool
from tests.stores.dynamodb_server import REGION, emulator, fresh_table, url

ROOT = Path(__file__).parents[3]


@pytest.fixture
def _keys(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    for name, value in emulator().environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", url())


@pytest.mark.usefixtures("_keys")
class TestUrl:
    def test_a_table_alone_is_enough_where_the_environment_has_the_rest(self):
        store = open_store(f"dynamodb://{fresh_table()}")
        assert store.save_pool(a_pool(), expected_version=None) == store.pool("pool")
        store.close()

    def test_region_and_endpoint_may_be_given(self, monkeypatch: pytest.MonkeyPatch):
        address = f"dynamodb://{fresh_table()}?region={REGION}&endpoint={url()}"
        for name in ("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION"):
            monkeypatch.delenv(name)
        store = open_store(address)
        assert store.pools() == []
        store.close()

    def test_a_store_may_be_closed_and_used_again(self):
        store = open_store(f"dynamodb://{fresh_table()}")
        store.close()
        assert store.pools() == []
        store.close()
        store.close()
        assert store.pools() == []
        store.close()

    def test_the_name_of_a_table_keeps_its_case_and_history_its_length(self):
        store = open_url("dynamodb://My_Table.1?history_days=0.5")
        assert store.name == "My_Table.1"
        assert store._writer._history == timedelta(hours=12)
        assert open_url("dynamodb://table")._writer._history == HISTORY

    @pytest.mark.parametrize(
        "url", ["dynamodb://", "dynamodb:///table", "dynamodb://table/more", "dynamodb://table?colour=red"]
    )
    def test_another_form_is_refused_with_the_right_one(self, url: str):
        with pytest.raises(SettingsError, match=r"names no table; write dynamodb://table-name\?endpoint="):
            open_store(url)

    @pytest.mark.parametrize(
        "url",
        [
            "dynamodb://AKIA:hush@table",
            "dynamodb://AKIA:hush",
            "dynamodb://hush/hush",
            "dynamodb://table?hush",
            "dynamodb://table?secret=hush",
            "dynamodb://table?endpoint=http://user:hush@localhost:8000",
        ],
    )
    def test_keys_in_a_url_are_refused_and_never_shown(self, url: str):
        """Neither an error nor the description of the store holds the secret."""
        with pytest.raises(SettingsError) as refusal:
            open_store(url)
        assert "hush" not in str(refusal.value)
        assert "AKIA" not in str(refusal.value)
        assert "hush" not in without_password(url)
        assert "AKIA" not in without_password(url)

    def test_a_table_is_shown_without_its_options(self):
        assert without_password("dynamodb://my-table?region=eu-central-1") == "dynamodb://my-table"

    @pytest.mark.parametrize("days", ["0", "-1", "many", "1e9", "nan"])
    def test_a_history_is_a_number_of_days(self, days: str):
        with pytest.raises(SettingsError, match="history_days is a number of days"):
            open_store(f"dynamodb://table?history_days={days}")


def test_opening_a_store_loads_no_sdk_and_its_first_read_loads_no_validation_library():
    code = (
        "import sys; from dispatcher.stores.dynamodb import open_url; before = {'botocore', 'boto3'} & sys.modules.keys();"
        f"store = open_url('dynamodb://{fresh_table()}?region={REGION}&endpoint={url()}'); store.pools();"
        "print(sorted(before), sorted({'pydantic', 'jsonschema', 'boto3', 'rich', 'click'} & sys.modules.keys()))"
    )
    environment = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y", "PATH": "/usr/bin"}
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, text=True, capture_output=True, check=True)
    assert ran.stdout == "[] []\n"


def test_every_attribute_of_a_key_is_defined_and_no_other():
    keys = [
        *TABLE_DEFINITION["KeySchema"],
        *(key for index in TABLE_DEFINITION["GlobalSecondaryIndexes"] for key in index["KeySchema"]),
    ]
    assert {key["AttributeName"] for key in keys} == {
        attribute["AttributeName"] for attribute in TABLE_DEFINITION["AttributeDefinitions"]
    }
