"""The dispatcher's identity for Google: the host's own, one federated from another cloud, or an impersonated service account.

Imports google-auth. A token is requested before a call, so if that fails, nothing was done.
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
"""AWS's kind of subject token: a signed request, which its receiver sends to AWS."""
NO_IDENTITY = (
    "credentials: the dispatcher's host has no Google identity; run it as a service account, name an entry of the credentials"
    " with an `external_account`, or on a desk run `gcloud auth application-default login`"
)


def anonymous() -> tuple[Any, str | None]:
    """Anonymous credentials, which are enough for an emulator."""
    return AnonymousCredentials(), os.environ.get("GOOGLE_CLOUD_PROJECT", "emulated-project")


def identity(account: AccountEntry) -> tuple[Any, str | None]:
    """The credentials and project of an entry: the host's own, federated, or those of an impersonated service account.

    Raises `AccountLacks`, or another `CallFailed` when an identity service did not answer.
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
    """Credentials that are federated from another cloud. Raises `AccountLacks`."""
    kind: Any = import_module(
        "google.auth.aws" if configuration["subject_token_type"] == FROM_AWS else "google.auth.identity_pool"
    )
    try:
        return kind.Credentials.from_info(dict(configuration), scopes=SCOPES)
    except (ValueError, auth.GoogleAuthError) as problem:
        raise AccountLacks(f"credentials: this external_account cannot be used: {problem}") from problem


def did_not_answer(error: auth.GoogleAuthError) -> bool:
    """True if a token service did not answer and may recover; a wrong configuration does not recover."""
    passing = (auth.TransportError, auth.TimeoutError, auth.ResponseError)
    causes = (error, error.__cause__, *error.args)
    return bool(error.retryable) or any(isinstance(cause, passing) for cause in causes)
