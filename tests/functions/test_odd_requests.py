"""Whatever anybody sends is answered: a token of another shape with 401, a body of another shape with 400."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.environment.settings import Settings
from dispatcher.errors import InvalidInput
from dispatcher.functions.google_tokens import REMOVED, CallerTokens, CannotCheck, Unauthorized
from dispatcher.functions.http_answers import answer, event_of
from dispatcher.functions.invocation import invoke
from dispatcher.wiring import wire

DEEP = ["[" * 3000, "[" * 3000 + "]" * 3000, '{"a":' * 3000, '{"a":' * 3000 + "1" + "}" * 3000, "[" * 900 + "]" * 900]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["iss", "aud", "iat", "exp", "kid"]), inner),
    max_leaves=8,
)


class Clock:
    def now(self):
        return datetime(2030, 1, 1, tzinfo=UTC)


def tokens(signature):
    return CallerTokens(
        Settings(store="memory://", audience=frozenset({"a"}), callers=frozenset({"c"}), token_signature=signature, certificates_url="http://127.0.0.1:9"),
        Clock(),
    )  # fmt: skip


def encoded(text):
    return base64.urlsafe_b64encode(text.encode("utf-8", "surrogatepass")).decode().rstrip("=")


@pytest.mark.parametrize("deep", DEEP)
@pytest.mark.parametrize("signature", ["iam", "here"])
def test_a_token_of_thousands_of_brackets_is_not_let_in(deep, signature):
    checked = tokens("iam" if signature == "iam" else None)
    for header, payload in ((deep, "{}"), ('{"alg": "RS256"}', deep)):
        with pytest.raises((Unauthorized, CannotCheck)):
            checked.check(f"Bearer {encoded(header)}.{encoded(payload)}{REMOVED}")


@settings(max_examples=150, deadline=None)
@given(JSON, JSON)
def test_a_token_of_any_shape_is_not_let_in(header, payload):
    with pytest.raises(Unauthorized):
        tokens("iam").check(f"Bearer {encoded(json.dumps(header))}.{encoded(json.dumps(payload))}{REMOVED}")


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": ["https://accounts.google.com"]},
        {"iss": "https://accounts.google.com", "aud": "a", "iat": 10**400, "exp": 10**400},
        {"iss": "https://accounts.google.com", "aud": "a", "iat": 0, "exp": 10**12, "email": {"c": 1}},
    ],
)
def test_claims_of_other_types_are_not_let_in(claims):
    with pytest.raises(Unauthorized):
        tokens("iam").check(f"Bearer {encoded('{}')}.{encoded(json.dumps(claims))}{REMOVED}")


def test_a_token_of_a_megabyte_is_not_read():
    with pytest.raises(Unauthorized, match="more than"):
        tokens("iam").check("Bearer " + "a" * 1_000_000)


@pytest.fixture(scope="module")
def wiring():
    return wire(Settings(store="memory://"))


@pytest.mark.parametrize("body", [*DEEP, "[1", "9" * 5000, '"\\ud800', "x" * 2_000_000])
def test_a_body_of_any_shape_is_a_bad_request(wiring, body):
    assert answer(lambda: invoke(wiring, event_of(body.encode()))).status == 400


@pytest.mark.parametrize(
    "event",
    [
        {"detail-type": ["Scheduled Event"]},
        {"detail-type": {}},
        {"pool": ["p"]},
        {"pool": None},
        {"create_run": {"pool": ["p"]}},
        {"create_run": {"pool": "p", "scheduled_at": "9999-12-31T23:59:59-23:59"}},
        {"create_run": {"deployment": {"a": 1}, "tags": 5}},
        {"create_run": []},
    ],
)
def test_an_event_of_any_shape_is_a_bad_request(wiring, event):
    assert answer(lambda: invoke(wiring, event)).status == 400


def test_a_deep_event_is_refused_on_every_platform(wiring):
    deep: object = 1
    for _ in range(3000):
        deep = [deep]
    with pytest.raises(InvalidInput, match="nests more than 100 levels"):
        invoke(wiring, {"create_run": {"pool": "p", "job_variables": {"x": deep}}})
