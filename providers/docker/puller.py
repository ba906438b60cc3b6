"""The program that pulls one image and records the result.

    python -m providers.docker.puller PATH    < {"host": {...}, "image": "...", "credentials": {...} or null}

It inherits its lock, and its end releases the lock. The credentials are never written anywhere.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from providers.base import ProviderError
from providers.docker.engine import Answer, Connection, Engine
from providers.docker.hosts import Host
from providers.docker.pulls import write_end
from providers.docker.request import tag_of

CONNECT_SECONDS = 10.0
SILENT_SECONDS = 600.0
"""The most seconds between two lines of progress; after a longer silence the pull is given up."""


def pull(engine: Engine, image: str, credentials: Mapping[str, str] | None) -> str:
    """Pull an image. Returns the engine's message if it failed."""
    repository, tag = tag_of(image)
    headers = {"X-Registry-Auth": registry_header(credentials or own_credentials(image))}
    answers = engine.stream(
        "/images/create", headers=headers, read_timeout=SILENT_SECONDS, fromImage=repository, **({"tag": tag} if tag else {})
    )
    error = ""
    for line in answers:
        if isinstance(line, Answer):
            error = "" if line.status == 200 else line.message or f"status {line.status}"
        elif line:
            error = _error_in(line) or error
    return error


def registry_header(credentials: Mapping[str, str] | None) -> str:
    """The credentials in the API's form: base64 of JSON, for this call alone."""
    return base64.urlsafe_b64encode(json.dumps(credentials or {}).encode()).decode()


def own_credentials(image: str) -> Mapping[str, str] | None:
    """The credentials that `docker login` stored on this machine for the image's registry, read as the Docker CLI does."""
    from docker import auth  # noqa: PLC0415 - loads the SDK
    from docker.errors import DockerException  # noqa: PLC0415 - likewise

    try:
        registry, _ = auth.resolve_repository_name(image.partition("@")[0])
        credentials: Mapping[str, str] | None = auth.resolve_authconfig(auth.load_config(), registry=registry)
    except (DockerException, OSError, ValueError):
        return None
    return credentials


def _error_in(line: bytes) -> str:
    """The error in a line of the stream: after a download has begun, errors come in a stream with status 200."""
    try:
        message = json.loads(line)
    except ValueError:
        return ""
    error = message.get("error") if isinstance(message, Mapping) else None
    return error if isinstance(error, str) else ""


def main(path: str) -> int:
    """Pull the image that standard input names."""
    work: dict[str, Any] = json.load(sys.stdin)
    try:
        error = pull(Connection(Host(**work["host"]), CONNECT_SECONDS).engine(), work["image"], work["credentials"])
    except ProviderError as problem:
        error = str(problem)
    write_end(Path(path), error)
    return 1 if error else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
