"""Google as the issuer of tokens: keys, their certificates over HTTP, and OpenID Connect tokens as Cloud Scheduler sends them.

https://cloud.google.com/scheduler/docs/http-target-auth
"""

from __future__ import annotations

import json
import threading
import time
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from google.auth import crypt, jwt

REMOVED = "SIGNATURE_REMOVED_BY_GOOGLE"
ISSUER = "https://accounts.google.com"
AUDIENCE = "https://tick-4711-uc.a.run.app"
CALLER = "schedule@project.iam.gserviceaccount.com"


@cache
def key(name: str) -> rsa.RSAPrivateKey:
    """The private key of that name."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def certificate(name: str) -> str:
    """The certificate of a key, in PEM."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key(name).public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key(name), hashes.SHA256())
    )
    return built.public_bytes(serialization.Encoding.PEM).decode()


def token(*, signed_by: str = "google", key_id: str = "google", **claims: Any) -> str:
    """A token as Google makes them; a claim of None is left out."""
    now = int(time.time())
    usual = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "azp": "1234567890",
        "sub": "1234567890",
        "email": CALLER,
        "email_verified": True,
        "iat": now,
        "exp": now + 3600,
    }
    private = key(signed_by).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    said = {name: value for name, value in {**usual, **claims}.items() if value is not None}
    return jwt.encode(crypt.RSASigner.from_string(private, key_id), said).decode()


def as_cloud_run_hands_it_on(text: str) -> str:
    """What a service behind IAM sees of a token: https://cloud.google.com/run/docs/troubleshooting#signature-removed."""
    return f"{text.rpartition('.')[0]}.{REMOVED}"


class Certificates:
    """Google's certificates over HTTP, to be kept for an hour; `fetched` counts who asked."""

    def __init__(self) -> None:
        self.fetched = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def url(self) -> str:
        """For DISPATCHER_CERTIFICATES_URL."""
        return f"http://127.0.0.1:{self._server.server_port}/oauth2/v1/certs"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        body = json.dumps({"google": certificate("google"), "next": certificate("next")}).encode()
        certificates = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                certificates.fetched += 1
                self.send_response(200)
                self.send_header("Cache-Control", "public, max-age=3600, must-revalidate, no-transform")
                self.send_header("Content-Type", "application/json; charset=UTF-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Not here."""

        return Handler
