"""HTTP calls as one identity. Only this module imports google-auth and requests; the first call imports it.

No call is repeated: a 401 counts as an answer, and a broken connection as no answer.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import requests
import urllib3
from google.auth import exceptions as auth
from google.auth.transport.requests import Request

from providers.base import CallFailed
from providers.deadlines import NoAnswerInTime, within
from providers.google.accounts import AccountEntry, AccountLacks
from providers.google.identity import NO_IDENTITY, anonymous, did_not_answer, identity
from providers.sending import NeverSent, never_sent
from providers.values import compact
from providers.vertex_ai.answers import Answer

BROKEN = (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError, TypeError, LookupError, AttributeError)
"""The exceptions of requests for a broken connection or an unreadable answer."""

OF_THE_WHOLE = 0.9
"""The share of a call's time for each of its steps, so a failed connection is reported before the whole call times out."""

LARGEST = 16
"""The number of open connections that are kept to one region."""


class Connection:
    """Calls as one identity. Safe to use from several threads."""

    def __init__(self, account: AccountEntry, endpoint: str | None = None) -> None:
        self._credentials, self.project = anonymous() if endpoint else identity(account)
        self._signing_in = threading.Lock()
        self._session = requests.Session()
        self._session.mount("https://", requests.adapters.HTTPAdapter(pool_maxsize=LARGEST, max_retries=0))
        self._session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=LARGEST, max_retries=0))

    def ask(self, method: str, url: str, seconds: float, *, body: Any = None, query: Mapping[str, Any] | None = None) -> Answer:
        """Make one call, which takes at most `seconds` as a whole. Raises `NeverSent`, `AccountLacks`, and `CallFailed` without
        an answer.
        """
        headers = self._signed(seconds)
        if body is not None:
            headers["Content-Type"] = "application/json"
        content = {"data": None if body is None else compact(body).encode(), "params": query, "headers": headers}
        return within(seconds, lambda: self._exchange(method, url, seconds * OF_THE_WHOLE, content))

    def _exchange(self, method: str, url: str, seconds: float, content: Mapping[str, Any]) -> Answer:
        try:
            answer = self._session.request(method, url, timeout=seconds, allow_redirects=False, **content)
        except BROKEN as problem:
            kind = NeverSent if never_sent(problem) else CallFailed
            raise kind(f"{type(problem).__name__}: {problem}") from problem
        return Answer(status=answer.status_code, body=answer.content, retry_after=answer.headers.get("Retry-After", ""))

    def _signed(self, seconds: float) -> dict[str, str]:
        """The headers with a token. It is obtained before the call, so without a token nothing is sent."""
        headers: dict[str, str] = {}
        try:
            if not self._credentials.valid:
                within(seconds, self._sign_in)
            self._credentials.apply(headers)
        except NoAnswerInTime as problem:
            raise NeverSent(f"credentials: {problem}") from problem
        except auth.GoogleAuthError as problem:
            if did_not_answer(problem):
                raise NeverSent(f"credentials: the token service did not answer: {problem}") from problem
            raise AccountLacks(f"{NO_IDENTITY}: {problem}") from problem
        return headers

    def _sign_in(self) -> None:
        with self._signing_in:
            if not self._credentials.valid:
                self._credentials.refresh(Request())
