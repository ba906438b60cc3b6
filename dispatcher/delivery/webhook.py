"""Webhooks, signed as the Standard Webhooks specification says: a receiver checks them with any of its libraries.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import json
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from hashlib import sha256
from hmac import new as hmac
from http.client import HTTPException
from socket import getaddrinfo
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener
from uuid import UUID

from dispatcher.delivery import NotDelivered
from dispatcher.environment.addresses import is_guarded
from providers.deadlines import NoAnswerInTime, within

SECONDS = 5.0
"""Seconds for the whole delivery, from the connection to the last byte of the answer."""
PREFIX = "whsec_"
"""The prefix of a secret in base64. A secret without it is used as it is."""


class _NoRedirects(HTTPRedirectHandler):
    """A notification goes to the address of the settings, and nowhere else."""

    def redirect_request(self, *_: Any) -> None:
        """Follow no redirect."""


class Webhook:
    """Posts JSON to a URL. An answer of 2xx confirms it."""

    def __init__(
        self,
        url: str,
        secret: str | None,
        *,
        link_local: bool = False,
        seconds: float = SECONDS,
        resolve: Callable[..., list[Any]] = getaddrinfo,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._url, self._secret, self._clock = url, secret, clock
        self._link_local, self._seconds, self._resolve = link_local, seconds, resolve
        self._opener = build_opener(_NoRedirects)

    def __call__(self, identity: UUID, message: Mapping[str, Any]) -> None:
        """Post it. Raises `NotDelivered`."""
        body = json.dumps(message).encode()
        headers = {"Content-Type": "application/json", "User-Agent": "push-dispatcher", **self._signed(identity, body)}
        request = Request(self._url, data=body, headers=headers, method="POST")  # noqa: S310 - the settings allow only http(s)
        try:
            within(self._seconds, lambda: self._post(request))
        except NoAnswerInTime as late:
            raise NotDelivered(str(late)) from None
        except HTTPError as refusal:
            refusal.close()
            raise NotDelivered(f"it answered {refusal.code}") from None
        except (OSError, HTTPException, ValueError) as problem:
            raise NotDelivered(f"no answer ({type(problem).__name__})") from None

    def _post(self, request: Request) -> None:
        if not self._link_local:
            self._check_addresses()
        self._opener.open(request, timeout=self._seconds).close()

    def _check_addresses(self) -> None:
        """Raise `NotDelivered` for a name that resolves to a forbidden address. The settings have checked the URL itself."""
        parts = urlsplit(self._url)
        resolved = self._resolve(parts.hostname, parts.port or (443 if parts.scheme == "https" else 80))
        if any(is_guarded(str(address[0])) for *_, address in resolved):
            raise NotDelivered("its name resolves to a link-local address or a metadata service; allow_link_local is not set")

    def _signed(self, identity: UUID, body: bytes) -> dict[str, str]:
        name, moment = f"msg_{identity.hex}", str(int(self._clock()))
        headers = {"webhook-id": name, "webhook-timestamp": moment}
        if self._secret is None:
            return headers
        signed = hmac(_key(self._secret), f"{name}.{moment}.".encode() + body, sha256).digest()
        return {**headers, "webhook-signature": f"v1,{b64encode(signed).decode()}"}


def _key(secret: str) -> bytes:
    try:
        key = b64decode(secret.removeprefix(PREFIX), validate=True) if secret.startswith(PREFIX) else secret.encode()
    except ValueError:
        raise NotDelivered(f"the secret of the hook begins with {PREFIX} and is not base64 after it") from None
    if not key:
        raise NotDelivered(f"the secret of the hook is empty after {PREFIX}: anybody could sign with it")
    return key
