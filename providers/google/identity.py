"""Who the dispatcher is for Google: the host's own identity, another cloud's word, or a service account impersonated.

Imports google-auth. A token is asked for before a call, so nothing was done where that fails.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import google.auth
from google.auth import exceptions as auth
from google.auth import impersonated_credentials
from google.auth.credentials import AnonymousCredentials

from providers.base import CallFailed
from providers.google.accounts import AccountEntry, AccountLacks

SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
FROM_AWS = "urn:ietf:params:aws:token-type:aws4_request"
"""The kind of word that AWS gives: a signed request, which whoever gets it sends to AWS."""
NO_IDENTITY = (
    "credentials: the dispatcher's host has no Google identity; run it as a service account, name an entry of the credentials"
    " with an `external_account`, or on a desk run `gcloud auth application-default login`"
)


def anonymous() -> tuple[Any, str | None]:
    """Nobody, who is all that an emulator asks for."""
    return AnonymousCredentials(), os.environ.get("GOOGLE_CLOUD_PROJECT", "emulated-project")


def identity(account: AccountEntry) -> tuple[Any, str | None]:
    """The host's own credentials and project, another cloud's word, or a service account impersonated.

    Raises `AccountLacks`, or another `CallFailed` when a service that knows who the host is did not answer.
    """
    try:
        if account.external_account is not None:
            credentials, project = _federated(account.external_account), os.environ.get("GOOGLE_CLOUD_PROJECT")
        else:
            credentials, project = google.auth.default(scopes=SCOPES)
    except auth.GoogleAuthError as problem:
        if did_not_answer(problem):
            raise CallFailed(f"credentials: the identity of the dispatcher's host could not be read: {problem}") from problem
        raise AccountLacks(f"{NO_IDENTITY}: {problem}") from problem
    if account.service_account:
        credentials = impersonated_credentials.Credentials(
            source_credentials=credentials,
            target_principal=account.service_account,
            target_scopes=SCOPES,
            delegates=list(account.delegates),
        )
    return credentials, project


def _federated(configuration: Mapping[str, Any]) -> Any:
    """Credentials for what another cloud says of the host. Raises `AccountLacks`."""
    kind: Any = import_module(
        "google.auth.aws" if configuration["subject_token_type"] == FROM_AWS else "google.auth.identity_pool"
    )
    try:
        return kind.Credentials.from_info(dict(configuration), scopes=SCOPES)
    except (ValueError, auth.GoogleAuthError) as problem:
        raise AccountLacks(f"credentials: this external_account cannot be used: {problem}") from problem


def did_not_answer(error: auth.GoogleAuthError) -> bool:
    """True when who gives tokens could not be asked, and may be back; what is misconfigured stays so."""
    passing = (auth.TransportError, auth.TimeoutError, auth.ResponseError)
    causes = (error, error.__cause__, *error.args)
    return bool(error.retryable) or any(isinstance(cause, passing) for cause in causes)
