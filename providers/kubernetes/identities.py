"""How a call identifies its caller: by a bearer token or a client certificate, from a file, a variable or a program.

Service account tokens are rotated and plug-in tokens expire, so no token is kept after its validity: a file is read for each
call, and a plug-in runs again a minute before its token expires and after an answer 401.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from providers.base import CallFailed
from providers.places import HostLacks

EARLY = timedelta(minutes=1)
"""How long before its expiry a token is renewed."""

PLUGIN_SECONDS = 8.0


@dataclass(frozen=True, slots=True)
class Proof:
    """The token or the certificate of one call; both may be empty."""

    headers: Mapping[str, str] = field(default_factory=dict)
    certificate: str = ""
    key: str = ""


class Identity(Protocol):
    """The identity of the caller."""

    def proof(self) -> Proof:
        """The proof for a call now. Raises `HostLacks`."""
        ...

    def renew(self) -> None:
        """Note that the server has refused this proof, so that it is not used again."""
        ...


class Nobody:
    """No identity, for a proxy that authenticates by itself, such as `kubectl proxy`."""

    def proof(self) -> Proof:
        """Nothing."""
        return Proof()

    def renew(self) -> None:
        """Does nothing: there is no other proof."""


@dataclass(frozen=True, slots=True)
class Token(Nobody):
    """A token that a kubeconfig contains."""

    token: str

    def proof(self) -> Proof:
        """The token."""
        return _bearer(self.token)


@dataclass(frozen=True, slots=True)
class Certificate(Nobody):
    """A client's certificate and its key, as PEM."""

    certificate: str
    key: str

    def proof(self) -> Proof:
        """Both."""
        return Proof(certificate=self.certificate, key=self.key)


@dataclass(frozen=True, slots=True)
class TokenFile(Nobody):
    """A token in a file that another program renews."""

    path: str

    def proof(self) -> Proof:
        """The current content of the file."""
        try:
            token = Path(self.path).read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as problem:
            raise HostLacks(f"token_file: cannot be read here: {problem}") from problem
        if not token:
            raise HostLacks(f"token_file: {self.path} is empty")
        return _bearer(token)


@dataclass(frozen=True, slots=True)
class TokenVariable(Nobody):
    """A token in an environment variable of the dispatcher."""

    name: str
    environment: Mapping[str, str]

    def proof(self) -> Proof:
        """The value of the variable."""
        if not self.environment.get(self.name):
            raise HostLacks(f"token_variable: {self.name} is not set in the dispatcher's environment")
        return _bearer(self.environment[self.name])


class Plugin:
    """A program that prints an ExecCredential, such as `aws eks get-token` or `gke-gcloud-auth-plugin`.

    https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
    """

    def __init__(self, command: Sequence[str], variables: Mapping[str, str], version: str) -> None:
        self._command, self._variables, self._version = tuple(command), dict(variables), version
        self._lock = threading.Lock()
        self._proof: Proof | None = None
        self._until: datetime | None = None

    def proof(self) -> Proof:
        """The program's last output while it is valid, otherwise its new output."""
        with self._lock:
            if self._proof is None or (self._until and datetime.now(UTC) > self._until - EARLY):
                self._proof, self._until = self._printed()
            return self._proof

    def renew(self) -> None:
        """Run the program for the next call."""
        with self._lock:
            self._proof = None

    def _printed(self) -> tuple[Proof, datetime | None]:
        about = {"kind": "ExecCredential", "apiVersion": self._version, "spec": {"interactive": False}}
        environment = {**os.environ, **self._variables, "KUBERNETES_EXEC_INFO": json.dumps(about)}
        program = self._command[0]
        try:
            ran = subprocess.run(  # noqa: S603 - the kubeconfig of the dispatcher's own host names it
                self._command,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=PLUGIN_SECONDS,
                check=False,
            )
        except FileNotFoundError:
            raise HostLacks(f"the plug-in {program!r} that the kubeconfig names is not installed here") from None
        except (OSError, subprocess.SubprocessError) as problem:
            raise CallFailed(f"the plug-in {program!r} gave no answer: {type(problem).__name__}") from problem
        if ran.returncode:
            words = ran.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["it printed nothing"]
            raise HostLacks(f"the plug-in {program!r} failed with exit code {ran.returncode}: {words[0]:.300}")
        return _credential(program, ran.stdout)


def _credential(program: str, output: bytes) -> tuple[Proof, datetime | None]:
    try:
        status = json.loads(output)["status"]
        until = status.get("expirationTimestamp")
        expiry = datetime.fromisoformat(until).astimezone(UTC) if until else None
        proof = _proof_in(status)
    except (ValueError, KeyError, TypeError, AttributeError):
        proof, expiry = Proof(), None
    if proof == Proof():
        raise HostLacks(f"the plug-in {program!r} printed no ExecCredential with a token or a certificate")
    return proof, expiry


def _proof_in(status: Mapping[str, Any]) -> Proof:
    token = str(status.get("token") or "")
    certificate, key = (str(status.get(name) or "") for name in ("clientCertificateData", "clientKeyData"))
    return Proof(headers=_bearer(token).headers if token else {}, certificate=certificate, key=key)


def _bearer(token: str) -> Proof:
    return Proof(headers={"Authorization": f"Bearer {token}"})
