"""What is shown of a job or a configuration without the secrets that should not stand there in the first place.

A secret belongs into a *reference* that the provider resolves. Where somebody put a value all the same, a screen or a build log
is the wrong place for it. Names of secrets, ARNs and other references are shown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "(hidden)"

_NAMES = re.compile(
    r"passw(or)?d|passphrase|(^|[_.-])(pwd|pat|pw)($|[_.-])|secret|token|api[_-]?key|access[_-]?key|private[_-]?key"
    r"|client[_-]?key|signing[_-]?key|encryption[_-]?key|credential|authorization|bearer|cookie",
    re.IGNORECASE,
)
_CREDENTIALS = frozenset({"aws_credentials", "credentials", "aci_credentials", "modal_credentials"})
"""Variables that hold the name of an entry of the settings."""
_PASSWORD_IN_URL = re.compile(r"(?P<before>\b[a-z][a-z0-9+.-]*://[^\s/:@]*:)[^\s/@]+(?=@)", re.IGNORECASE)


def redacted(value: Any, name: str = "") -> Any:
    """A copy in which texts are hidden that stand under a name like `DB_PASSWORD`, and passwords within URLs."""
    if isinstance(value, str):
        return HIDDEN if value and is_secret(name) else _PASSWORD_IN_URL.sub(rf"\g<before>{HIDDEN}", value)
    if isinstance(value, Mapping):
        named = value.get("name")
        return {key: redacted(inner, _name(key, named)) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [redacted(inner, name) for inner in value]
    return value


def is_secret(name: str) -> bool:
    """Whether what stands under this name may be a secret itself, and not the name of one."""
    return name not in _CREDENTIALS and bool(_NAMES.search(name))


def without(texts: frozenset[str], value: Any) -> Any:
    """A copy in which these texts are hidden wherever they stand."""
    if isinstance(value, str):
        for text in sorted(texts, key=len, reverse=True):
            value = value.replace(text, HIDDEN)
        return value
    if isinstance(value, Mapping):
        return {key: without(texts, inner) for key, inner in value.items()}
    return [without(texts, inner) for inner in value] if isinstance(value, list | tuple) else value


def _name(key: str, named: Any) -> str:
    """What a value is called: in `{"name": "TOKEN", "value": "..."}` it is the neighbour that says so."""
    if key in ("value", "secure_value", "secureValue") and isinstance(named, str):
        return named
    return key
