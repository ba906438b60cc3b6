"""Webhooks over a real socket, read by the library that receivers use."""

from __future__ import annotations

import json
from uuid import UUID

import pytest
from standardwebhooks import Webhook as Receiver
from standardwebhooks import WebhookVerificationError

from dispatcher.delivery import Deliveries, NotDelivered
from dispatcher.delivery.webhook import Webhook
from dispatcher.environment.settings import Settings
from dispatcher.errors import SettingsError
from tests.delivery.inbox import an_inbox

ID = UUID(int=7)
MESSAGE = {"type": "run.failed", "data": {"run": {"name": "ünï"}}}
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def inbox():
    with an_inbox() as opened:
        yield opened


def deliveries(url, **environment):
    entry = {"url": url} | ({"secret_variable": "OPS_SECRET"} if environment else {})
    return Deliveries({"ops": entry}, environment)


def test_a_receiver_verifies_what_was_signed(inbox):
    deliveries(inbox.url, OPS_SECRET=SECRET)("ops", ID, MESSAGE)
    [(path, headers, body)] = inbox.got
    assert (path, headers["content-type"], headers["webhook-id"]) == ("/hook", "application/json", f"msg_{ID.hex}")
    assert Receiver(SECRET).verify(body, headers) == MESSAGE
    with pytest.raises(WebhookVerificationError):
        Receiver(SECRET).verify(body.replace(b"failed", b"edited"), headers)
    with pytest.raises(WebhookVerificationError):
        Receiver("whsec_" + "A" * 32).verify(body, headers)


def test_a_secret_that_is_plain_text_signs_with_its_bytes(inbox):
    deliveries(inbox.url, OPS_SECRET="plain text")("ops", ID, MESSAGE)
    [(_, headers, body)] = inbox.got
    assert Receiver(b"plain text").verify(body, headers) == MESSAGE


def test_a_message_without_a_secret_is_unsigned_and_has_its_id(inbox):
    deliveries(inbox.url)("ops", ID, MESSAGE)
    [(_, headers, body)] = inbox.got
    assert "webhook-signature" not in headers
    assert (headers["webhook-id"], json.loads(body)) == (f"msg_{ID.hex}", MESSAGE)


@pytest.mark.parametrize("status", [302, 404, 410, 500, 503])
def test_any_other_status_is_a_failed_delivery_and_no_redirect_is_followed(inbox, status):
    inbox.status = status
    with pytest.raises(NotDelivered, match=f"it answered {status}"):
        deliveries(inbox.url)("ops", ID, MESSAGE)
    assert len(inbox.got) == 1


def test_a_refused_connection_is_a_failed_delivery_and_its_address_is_not_repeated(inbox):
    url = inbox.url
    inbox.server_close()
    with pytest.raises(NotDelivered, match="no answer") as failure:
        deliveries(f"{url}/secret-token")("ops", ID, MESSAGE)
    assert "secret-token" not in str(failure.value)


def test_an_entry_that_is_missing_is_named_with_those_there_are():
    with pytest.raises(NotDelivered, match="DISPATCHER_HOOKS has no entry 'pager' \\(it has ops\\)"):
        deliveries("https://example.test")("pager", ID, MESSAGE)


def test_a_secret_that_is_not_set_is_named_by_its_variable():
    hooks = Deliveries({"ops": {"url": "https://example.test", "secret_variable": "OPS_SECRET"}}, {})
    with pytest.raises(NotDelivered, match="OPS_SECRET"):
        hooks("ops", ID, MESSAGE)


def test_a_secret_that_is_not_base64_is_reported_without_its_value(inbox):
    with pytest.raises(NotDelivered, match="not base64") as failure:
        deliveries(inbox.url, OPS_SECRET="whsec_not!base64")("ops", ID, MESSAGE)
    assert "not!base64" not in str(failure.value)


@pytest.mark.parametrize(
    "entry",
    [
        {},
        {"url": "http://example.test/hook"},
        {"url": "ftp://example.test"},
        {"url": "https://example.test", "topic_arn": "arn:aws:sns:eu-central-1:123456789012:x"},
        {"url": "https://example.test", "secret": "s3cret-value"},
        {"topic_arn": "arn:aws:sqs:eu-central-1:123456789012:x"},
        {"url": ""},
    ],
    ids=str,
)
def test_a_wrong_entry_is_refused_by_its_name_and_what_it_holds_is_not_repeated(entry):
    with pytest.raises(SettingsError, match=r"^DISPATCHER_HOOKS: .*'ops'") as failure:
        Settings.from_environment({"HOME": "/home/somebody", "DISPATCHER_HOOKS": json.dumps({"ops": entry})})
    assert "s3cret-value" not in str(failure.value)


def test_an_answer_that_drips_has_one_deadline_for_the_whole_delivery(inbox):
    inbox.drips = True
    with pytest.raises(NotDelivered, match=r"no whole answer within 0\.2 s"):
        Webhook(inbox.url, None, seconds=0.2)(ID, MESSAGE)


def test_an_empty_signing_secret_is_refused():
    with pytest.raises(NotDelivered, match="empty after whsec_"):
        deliveries("https://example.test", OPS_SECRET="whsec_")("ops", ID, MESSAGE)


def test_a_name_that_resolves_to_a_link_local_address_gets_nothing():
    metadata = [(0, 0, 0, "", ("169.254.169.254", 443))]
    with pytest.raises(NotDelivered, match="link-local"):
        Webhook("https://innocent.test", None, resolve=lambda *_: metadata)(ID, MESSAGE)


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("https://[::1", "that can be read"),
        ("https://", "https://"),
        ("http://localhost.evil.test/", "only for this machine"),
        ("http://127.0.0.1@evil.test/", "only for this machine"),
        ("ftp://example.test", "https://"),
        ("https://169.254.169.254/latest", "metadata service"),
        ("https://[fe80::1]/", "link-local"),
        ("https://[::ffff:169.254.169.254]/", "metadata service"),
        ("https://metadata.google.internal/", "metadata service"),
        ("https://example.test:99999/", "that can be read"),
    ],
)
def test_a_url_that_must_not_be_used_is_refused_in_the_settings_and_not_repeated(url, fault):
    with pytest.raises(SettingsError, match=fault) as failure:
        Settings.from_environment({"DISPATCHER_HOOKS": json.dumps({"ops": {"url": url}})})
    assert url not in str(failure.value).removesuffix("https:// (http:// only for this machine itself)")


def test_a_link_local_address_may_be_allowed_by_name():
    entry = {"url": "https://169.254.1.2/hook", "allow_link_local": True}
    settings = Settings.from_environment({"DISPATCHER_HOOKS": json.dumps({"ops": entry})})
    assert settings.hooks == {"ops": entry}


@pytest.mark.parametrize("url", ["http://localhost/", "http://127.0.0.2:80/x", "http://[::1]:8080/", "https://10.0.0.7/hook"])
def test_this_machine_and_private_networks_are_allowed(url):
    assert Settings.from_environment({"DISPATCHER_HOOKS": json.dumps({"ops": {"url": url}})}).hooks["ops"]["url"] == url
