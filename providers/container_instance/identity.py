"""Tokens for Resource Manager, and the failures to get one.

The first token imports `azure.identity`, so it is never loaded for an emulator, which needs no token.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import AzureError, ClientAuthenticationError

from providers.container_instance.answers import ArmFailure, NoToken

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken, TokenCredential

TIMEOUTS = {"retry_total": 0, "connection_timeout": 1.5, "read_timeout": 2.5}
"""One retry layer: the tick's."""


class LazyCredential:
    """A credential of the SDK, made on first use. Its failures can be distinguished from those of Resource Manager."""

    def __init__(self, identity: Mapping[str, Any], client_secret: str | None) -> None:
        self._identity, self._client_secret = identity, client_secret
        self._making = threading.Lock()
        self._credential: TokenCredential | None = None

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """The token that the client's authentication policy requests.

        Raises `NoToken`, or an `ArmFailure` with `sent` false if the token service did not answer.
        """
        try:
            return self._made().get_token(*scopes, **options)
        except (ClientAuthenticationError, OSError, ValueError, TypeError, AttributeError) as error:
            raise NoToken(str(error)) from error
        except AzureError as error:
            raise ArmFailure(f"no token for Azure: {error}", sent=False) from error

    def _made(self) -> TokenCredential:
        with self._making:
            if self._credential is None:
                self._credential = credential_of(self._identity, self._client_secret)
            return self._credential


def credential_of(identity: Mapping[str, Any], client_secret: str | None = None, **options: Any) -> TokenCredential:
    """A service principal with a secret, one federated with a token file or with AWS, or the host's own identity.

    Without a key, `client_id` and `tenant_id` choose among the host's managed and federated identities. `options` are passed to
    the SDK's credential, for example its transport.
    """
    from azure import identity as azure_identity  # noqa: PLC0415 - half of the SDK's cold start; see the module's docstring

    tenant, client, options = identity.get("tenant_id"), identity.get("client_id"), {**TIMEOUTS, **options}
    if client_secret is not None:
        return azure_identity.ClientSecretCredential(tenant, client, client_secret, **options)
    if token_file := identity.get("token_file"):
        return azure_identity.WorkloadIdentityCredential(
            tenant_id=tenant, client_id=client, token_file_path=token_file, **options
        )
    if audience := identity.get("aws_audience"):
        return azure_identity.ClientAssertionCredential(tenant, client, partial(aws_token, audience), **options)
    chosen = {
        "managed_identity_client_id": client,
        "workload_identity_client_id": client,
        "workload_identity_tenant_id": tenant,
    }
    return azure_identity.DefaultAzureCredential(**{key: value for key, value in chosen.items() if value}, **options)


def aws_token(audience: str) -> str:
    """AWS's signed statement about the role of the dispatcher's host, for `audience`; valid for five minutes.

    https://docs.aws.amazon.com/STS/latest/APIReference/API_GetWebIdentityToken.html. Raises `ClientAuthenticationError`.
    """
    try:
        from providers.aws import AWS_FAILURES, web_identity_token  # noqa: PLC0415 - loads botocore, for hosts on AWS only
    except ModuleNotFoundError as missing:
        words = f"a token of AWS needs {missing.name}, which is not installed: pip install 'push-dispatcher[aws]'"
        raise ClientAuthenticationError(words) from missing
    try:
        return web_identity_token(audience)
    except AWS_FAILURES as error:
        raise ClientAuthenticationError(f"AWS gives no token for {audience}: {error}") from error
