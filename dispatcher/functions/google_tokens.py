"""Who may call Google's function: holders of a Google-signed OpenID Connect token for its audience. Imports google-auth.

Where it is set up so, Cloud Run's IAM checks the same before the function. It verifies the token and replaces its signature
so that nobody can verify it again; `DISPATCHER_TOKEN_SIGNATURE=iam` says that this is so. Issuer, audience, times and
caller are checked in both cases. https://cloud.google.com/run/docs/troubleshooting#signature-removed
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from google.auth import jwt
from google.auth.exceptions import GoogleAuthError, TransportError
from google.oauth2 import id_token

from dispatcher.environment.clock import Clock
from dispatcher.environment.settings import Settings
from dispatcher.errors import SettingsError

ISSUERS = frozenset({"accounts.google.com", "https://accounts.google.com"})
REMOVED = ".SIGNATURE_REMOVED_BY_GOOGLE"
SECONDS = 5.0
"""Seconds to connect, and to answer, when certificates are fetched."""
LEAST_KEPT = timedelta(minutes=1)
"""Certificates are fetched at most this often, whatever key ids callers name."""
_UNKNOWN_KEY = re.compile(r"[Cc]ertificate for key id .* not found")
MAX_CHARACTERS = 16 * 1024
"""Characters of a token; Google's have about a thousand."""
_ODD = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What google-auth raises for JSON that does not have the shape of a token: anybody can send one."""
_MAX_AGE = re.compile(r"\bmax-age=(\d{1,9})\b")


class Unauthorized(Exception):
    """The caller is refused. The text says why; it goes to the log, not to the caller."""


class CannotCheck(Exception):
    """The certificates could not be fetched; the text says why."""


class Certificates:
    """google-auth's transport, with an answer kept for as long as it allows: one fetch in hours, and not one for each tick."""

    def __init__(self, fetch: Callable[[str], Any], clock: Clock) -> None:
        self._fetch, self._clock = fetch, clock
        self._kept: tuple[str, Any, datetime] | None = None
        self._fetched_at: datetime | None = None

    def __call__(self, url: str, **_: Any) -> Any:
        """The answer, fetched or kept. Raises google-auth's `TransportError`."""
        kept = self._kept
        if kept and kept[0] == url and self._clock.now() < kept[2]:
            return kept[1]
        fresh = self._fetch(url)
        if fresh.status == 200:
            now = self._clock.now()
            self._kept = url, fresh, now + max(_allowed(fresh.headers), LEAST_KEPT)
            self._fetched_at = now
        return fresh

    def renew(self) -> bool:
        """Drop the answer that is kept, so that a newer key is fetched; false within `LEAST_KEPT` of a fetch.

        Anybody can send a token with an unknown key id, so a fetch for each would let callers make this function call Google.
        """
        if self._kept is None or self._fetched_at is None or self._clock.now() - self._fetched_at < LEAST_KEPT:
            return False
        self._kept = None
        return True


class CallerTokens:
    """Checks the tokens of callers."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        """Raises `SettingsError` where the settings do not say whom to let in."""
        if not settings.audience:
            raise SettingsError("DISPATCHER_AUDIENCE: is missing; it is the function's URL, as in the scheduler's token")
        if not settings.callers:
            raise SettingsError("DISPATCHER_CALLERS: is missing; it is the e-mail of the scheduler's service account")
        self._settings, self._clock = settings, clock
        self._certificates = Certificates(fetch, clock)

    def check(self, authorization: str | None) -> str:
        """The e-mail address of the holder of an authorised token. Only certificates are fetched.

        Raises `Unauthorized`, or `CannotCheck`.
        """
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthorized("there is no bearer token")
        if len(token) > MAX_CHARACTERS:
            raise Unauthorized(f"the token has more than {MAX_CHARACTERS} characters")
        try:
            return self._caller(self._claims(token.strip()))
        except TransportError as problem:
            raise CannotCheck(f"the certificates cannot be fetched: {problem}") from problem
        except (GoogleAuthError, *_ODD) as problem:
            raise Unauthorized(f"the token is not valid: {type(problem).__name__}: {problem}") from problem

    def _claims(self, token: str) -> Mapping[str, Any]:
        """The claims of a token whose signature was verified before."""
        settings = self._settings
        if settings.token_signature == "iam" and token.endswith(REMOVED):  # noqa: S105 - a word, not a secret
            claims: Mapping[str, Any] = jwt.decode(token, verify=False)
        else:
            claims = self._verified(token)
        return claims

    def _verified(self, token: str) -> Mapping[str, Any]:
        try:
            return self._verify(token)
        except ValueError as problem:
            if _UNKNOWN_KEY.search(str(problem)) and self._certificates.renew():
                return self._verify(token)
            raise

    def _verify(self, token: str) -> Mapping[str, Any]:
        url, skew = self._settings.certificates_url, int(self._settings.clock_skew_seconds)
        claims: Mapping[str, Any] = id_token.verify_token(token, self._certificates, certs_url=url, clock_skew_in_seconds=skew)
        return claims

    def _caller(self, claims: Mapping[str, Any]) -> str:
        if claims.get("iss") not in ISSUERS:
            raise Unauthorized(f"the issuer {claims.get('iss')!r} is not Google")
        audience, audiences = claims.get("aud"), self._settings.audience
        if not isinstance(audience, str) or audience not in audiences:
            raise Unauthorized(f"the audience {audience!r} is not DISPATCHER_AUDIENCE ({', '.join(sorted(audiences))})")
        if not self._is_of_now(claims):
            raise Unauthorized("the token has expired, or is not valid yet")
        if claims.get("email") not in self._settings.callers or claims.get("email_verified") is not True:
            raise Unauthorized(f"the caller {claims.get('email')!r} is not one of DISPATCHER_CALLERS")
        return str(claims["email"])

    def _is_of_now(self, claims: Mapping[str, Any]) -> bool:
        issued, expires = claims.get("iat"), claims.get("exp")
        if not isinstance(issued, int | float) or not isinstance(expires, int | float):
            return False
        now, skew = self._clock.now().timestamp(), self._settings.clock_skew_seconds
        return issued - skew <= now <= expires + skew


def fetch(url: str) -> Any:
    """An answer over HTTP, on a connection of its own: one that was kept for hours would be dead after a freeze."""
    from google.auth.transport.requests import Request  # noqa: PLC0415 - only where signatures are verified here

    request = Request()
    try:
        return request(url, timeout=SECONDS)
    finally:
        request.session.close()


def _allowed(headers: Mapping[str, str]) -> timedelta:
    """How long an answer may be kept (RFC 9111); not at all where it does not say."""
    max_age = _MAX_AGE.search(headers.get("Cache-Control", ""))
    return timedelta(seconds=int(max_age[1]) if max_age else 0)
