"""How often the function asks for certificates, whatever tokens its callers bring."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from dispatcher.environment.settings import Settings
from dispatcher.functions.google_tokens import CallerTokens, Certificates, Unauthorized
from tests.functions.google_platform.google import AUDIENCE, CALLER, token
from tests.functions.google_platform.google import Certificates as ServedCertificates

SERVICE = "https://tick-4711.europe-west1.run.app"
"""The URL of the same function's Cloud Run service, which Eventarc's tokens are for."""


class Clock:
    def __init__(self):
        self.moment = datetime.now(UTC)

    def now(self):
        return self.moment

    def pass_by(self, seconds):
        self.moment += timedelta(seconds=seconds)


@pytest.fixture
def served():
    certificates = ServedCertificates()
    yield certificates
    certificates.close()


def tokens(served, clock):
    settings = Settings(
        store="memory://", audience=frozenset({AUDIENCE, SERVICE}), callers=frozenset({CALLER}), certificates_url=served.url
    )
    return CallerTokens(settings, clock)


def test_unknown_key_ids_fetch_certificates_at_most_once_a_minute(served):
    clock = Clock()
    checked = tokens(served, clock)
    for number in range(30):
        clock.pass_by(5)
        with pytest.raises(Unauthorized, match="not found"):
            checked.check(f"Bearer {token(key_id=f'unknown-{number}')}")
    assert served.fetched <= 3, "in two and a half minutes"


def test_each_audience_of_the_settings_is_taken_and_no_other(served):
    checked = tokens(served, Clock())
    for audience in (AUDIENCE, SERVICE):
        assert checked.check(f"Bearer {token(aud=audience)}") == CALLER
    for audience in (f"{AUDIENCE},{SERVICE}", AUDIENCE[:-1], "", [AUDIENCE], None):
        with pytest.raises(Unauthorized):
            checked.check(f"Bearer {token(aud=audience)}")


def test_a_known_key_fetches_nothing_more(served):
    clock = Clock()
    checked = tokens(served, clock)
    for _ in range(5):
        clock.pass_by(30)
        checked.check(f"Bearer {token()}")
    assert served.fetched == 1


def test_an_answer_that_names_no_time_is_kept_for_a_minute():
    clock, fetched = Clock(), []
    answer = SimpleNamespace(status=200, headers={}, data=b"{}")
    certificates = Certificates(lambda url: fetched.append(url) or answer, clock)
    for _ in range(12):
        clock.pass_by(10)
        certificates("https://example.test/certs")
    assert len(fetched) == 2
