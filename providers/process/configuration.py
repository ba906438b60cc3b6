"""A rendered configuration becomes the command, environment and directory of a process."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from providers.base import ConfigurationError, Finding, Job
from providers.remarks import reason_of, start_timeout_faults, unknown_keys

READ = frozenset({"name", "command", "env", "labels", "working_dir", "stream_output", "task_start_timeout_seconds"})
"""The keys of a job configuration that are read here; the dispatcher itself reads the last one, for every type."""

NO_EFFECT = {"stream_output": "has no effect here: the output is always kept in the job's log"}
"""Variables of the template that are accepted but change nothing, each with the reason."""

INHERITED = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR")
"""The dispatcher's own variables that a job inherits. The others may contain credentials."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A checked request to run a process."""

    executable: str
    """The file that `command[0]` stands for."""
    command: tuple[str, ...]
    environment: Mapping[str, str]
    working_directory: Path | None
    """None: the job gets its own empty directory."""
    labels: Mapping[str, str]
    title: str
    """The configuration's `name`, for people."""


def request_of(job: Job, host: Mapping[str, str]) -> Request:
    """Read a job's configuration; `host` is the environment from which jobs inherit a few variables.

    Raises `ConfigurationError` that names the variable. `stream_output` is accepted and changes nothing: the output always goes
    to the job's log, and after the tick nobody could receive a stream.
    """
    configuration = job.configuration
    if faults := own_faults(configuration):
        raise ConfigurationError(reason_of(faults))
    environment = {name: host[name] for name in INHERITED if name in host}
    environment |= _texts("env", configuration.get("env")) | _texts("environment", job.environment)
    directory = _working_directory(configuration.get("working_dir"))
    command = _command(configuration.get("command"))
    return Request(
        executable=_executable(command[0], environment.get("PATH", os.defpath), directory),
        command=command,
        environment=environment,
        working_directory=directory,
        labels=_texts("labels", configuration.get("labels")) | _texts("labels", job.labels),
        title=str(configuration.get("name") or job.name),
    )


class NotOnThisMachine(ConfigurationError):
    """A command or directory does not exist here; it may exist on the machine of the ticks, which starts the process."""


def own_faults(configuration: Mapping[str, Any]) -> list[Finding]:
    """The faults in a configuration's own keys."""
    return [*unknown_keys(configuration, READ), *start_timeout_faults(configuration)]


def _command(value: Any) -> tuple[str, ...]:
    if value is None or value in ("", []):
        raise ConfigurationError("command: a process needs one; give the job variable `command`")
    words = _split(value) if isinstance(value, str) else value
    if not isinstance(words, list | tuple) or not all(isinstance(word, str) for word in words) or not words or not words[0]:
        raise ConfigurationError(f"command: give text or a list of texts, not {value!r}")
    for word in words:
        _check_text("command", word)
    return tuple(words)


def _split(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError as problem:
        raise ConfigurationError(f"command: {line!r} cannot be split into words: {problem}") from None


def _texts(variable: str, value: Any) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{variable}: give an object of names and texts, not {value!r}")
    texts = {name: _text(f"{variable}.{name}", item) for name, item in value.items() if item is not None}
    for name in texts:
        _check_text(variable, name)
        if not name or "=" in name:
            raise ConfigurationError(f"{variable}: {name!r} cannot be the name of a variable")
    return texts


def _text(path: str, value: Any) -> str:
    if isinstance(value, Mapping | list | tuple):
        raise ConfigurationError(f"{path}: give text, a number or a boolean, not {value!r}")
    text = value if isinstance(value, str) else json.dumps(value)
    _check_text(path, text)
    return text


def _check_text(path: str, text: str) -> None:
    try:
        usable = b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        usable = False
    if not usable:
        raise ConfigurationError(f"{path}: {text!r} holds a character that no process can be given")


def _working_directory(value: Any) -> Path | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise ConfigurationError(f"working_dir: give a path, not {value!r}")
    _check_text("working_dir", value)
    try:
        path = Path(value).expanduser()
    except RuntimeError as problem:  # ~name for a user that does not exist here
        raise NotOnThisMachine(f"working_dir: {value!r}: {problem}") from None
    if not path.is_absolute():
        raise ConfigurationError(f"working_dir: {value!r} is relative, and ticks run from anywhere; give the whole path")
    if not path.is_dir():
        raise NotOnThisMachine(f"working_dir: {value!r} is not a directory on this machine")
    return path


def _executable(word: str, search_path: str, directory: Path | None) -> str:
    """The file of the command's first word, so that a missing one is refused before anything is started."""
    if "/" in word:
        candidate = directory / word if directory else Path(word)
        file = str(candidate) if candidate.is_absolute() and candidate.is_file() and os.access(candidate, os.X_OK) else None
        where = "is not an executable file" if directory or word.startswith("/") else "is relative; give working_dir with it"
    else:
        file, where = shutil.which(word, path=search_path), "is not on the PATH"
    if file is None:
        raise (ConfigurationError if "relative" in where else NotOnThisMachine)(f"command: {word!r} {where}")
    return os.path.abspath(file)
