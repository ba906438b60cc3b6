"""All settings. Only this module reads them from the environment.

| variable                          | default                                  | meaning |
| --------------------------------- | ---------------------------------------- | --- |
| `DISPATCHER_STORE` | `sqlite:///<home>/.dispatcher/dispatcher.db` | where the state is: `sqlite:///relative.db`, `sqlite:////absolute.db`, `postgresql://user:password@host:5432/database`, `memory://` |
| `DISPATCHER_TICK_SECONDS`         | 50                                       | the longest a tick may go on submitting; a platform's own time limit may shorten it |
| `DISPATCHER_MARGIN_SECONDS`       | 12                                       | how long before the platform's time limit a tick begins no more calls: one call, and the time to record its answer |
| `DISPATCHER_TIMEOUT_SECONDS`      | (none)                                   | the platform's time limit where it does not say how much is left (Cloud Run, Azure Functions, Modal): the function's own timeout |
| `DISPATCHER_LEASE_SECONDS`        | 300                                      | the longest that a claim belongs to its invocation: longer than tick, one provider call and clock skew together. Another tick takes a claim over as soon as the invocation that made it has certainly ended: at that invocation's deadline, plus one provider call, the clock skew and the time for which the provider may hide a new job (at the defaults, with ECS, at most 50 + 10 + 10 + 60 s after the claim, and less for a claim late in a tick) |
| `DISPATCHER_CLOCK_SKEW_SECONDS`   | 10                                       | how far the clocks of two invocations may differ |
| `DISPATCHER_TICK_INTERVAL_SECONDS`| 60                                       | how often the schedule starts a tick; a pool is READY for three of these (at least 60 s) |
| `DISPATCHER_MAX_CLAIMS`           | 2000                                     | runs that one tick claims in one pool |
| `DISPATCHER_SCHEDULE_AHEAD_SECONDS`| 3600                                  | how long before its time a window of a schedule becomes a run; at most 100 of one schedule are runs before their time |
| `DISPATCHER_HISTORY_DAYS`         | 30                                       | for how long ended runs are kept; 0: for ever. A DynamoDB table has `history_days` in its URL instead |
| `DISPATCHER_FAN_OUT`              | (none)                                   | `lambda`: a scheduled tick starts an invocation of its own for each pool with something to do; the function needs lambda:InvokeFunction on itself |
| `DISPATCHER_WAKE`                 | (none)                                   | what the command line, `apply` and the Python API start a tick with, at once, for a pool in which they have made something to do (a run, a retry, a pause that ends, a raised limit, a live run to cancel): `lambda:NAME` or the ARN of a function (needs lambda:InvokeFunction), its URL (a POST of `{"pool": NAME}`, which has to be let in without more), `http://127.0.0.1:8765/wake` where `dispatcher serve` runs, or `command:dispatcher tick --pool {pool}` |
| `DISPATCHER_AUDIENCE`             | (none)                                   | Google's function: whom a caller's token must be for, separated by commas: the function's URL, its custom audience, and for Eventarc the URL of its Cloud Run service |
| `DISPATCHER_CALLERS`              | (none)                                   | Google's function: e-mail addresses of the service accounts that may call it, with commas |
| `DISPATCHER_TOKEN_SIGNATURE`      | (none)                                   | Google's function: `iam` where Cloud Run's IAM lets in nobody but holders of roles/run.invoker; it verifies the token and removes its signature. Without it the function verifies the signature itself |
| `DISPATCHER_CERTIFICATES_URL`     | `https://www.googleapis.com/oauth2/v1/certs` | Google's function: where the certificates are that the tokens' signatures are verified with |
| `DISPATCHER_PROCESS_DIRECTORY`    | `<home>/.dispatcher/processes`           | where the `process` provider keeps jobs and logs |
| `DISPATCHER_DEFAULT_POOL`         | (none)                                   | the work pool that `run create` and `deployment create` use where none is named; wins over `--set-as-default`. The CLI's alone |
| `DISPATCHER_CREDENTIALS`          | `{}`                                     | JSON object: name -> entry; what `aws_credentials`, `credentials`, `aci_credentials`, `modal_credentials` and `registry_credentials` name. Roles to assume and names of secrets, never keys |
| `DISPATCHER_DOCKER_HOSTS`         | `{}`                                     | JSON object: name -> Docker engine that `docker_host` names: `{"url": "unix:///run/docker.sock"}`, `{"url": "tcp://host:2376", "ca_file": ..., "cert_file": ..., "key_file": ...}` or `{"url": "ssh://user@host"}`. See `providers/docker/README.md` |
| `DISPATCHER_KUBERNETES_CLUSTERS`  | `{}`                                     | JSON object: name -> cluster that `cluster_config` names: `{"kubeconfig": "/path", "context": "prod"}`, `{"server": "https://host:6443", "ca_file": ..., "token_file": ...}` or `{"in_cluster": true}`, each with a `"namespace"`. See `providers/kubernetes/README.md` |
| `DISPATCHER_HOOKS`                | `{}`                                     | JSON object: name -> entry that pools and deployments name as hooks: `{"url": ..., "secret_variable": ...}`, a webhook and the variable that holds its secret (`"allow_link_local": true` for a link-local address), or `{"topic_arn": ...}`, an SNS topic |
| `DISPATCHER_MANAGED`              | `{}`                                     | JSON object: what pools of type `managed` are here, as `{"type": "ecs:push", "job_variables": {"cluster": "jobs"}, "maximum": {"cpu": 4, "memory": 16384, "timeout": 86400, "concurrency": 20}}`. Without it: processes of the machine that ticks. See `providers/managed/README.md` |
| `DISPATCHER_PROVIDER_OPTIONS`     | `{}`                                     | JSON object: pool type -> options of its provider, as `{"ecs:push": {"launches_per_second": 100}}` |
| `DISPATCHER_PREFECT_API_URL`      | (none)                                   | the API of a self-hosted Prefect server, as `http://prefect:4200/api`, whose push work pools are served (extra `prefect`; see `dispatcher/prefect/README.md`). Its key or auth string is read from PREFECT_API_KEY or PREFECT_API_AUTH_STRING |
| `DISPATCHER_PREFECT_JOBS_API_URL` | (none)                                   | the same API as jobs reach it, where that is another address |
| `DISPATCHER_PREFECT_POOLS`        | (none)                                   | work pools of worker types (`ecs`) to serve as well, by name, with commas. No Prefect worker should serve them |
| `DISPATCHER_PREFECT_IMAGE`        | `prefecthq/prefect:3-latest`             | the image of flow runs whose work pool and deployment name none |
| `DISPATCHER_TELEMETRY`            | (none)                                   | `opentelemetry` (metrics and traces over OTLP, set by OTEL_ variables; extra `telemetry`), `cloudwatch` (metrics in the log; in AWS Lambda alone), or both with a comma. See `dispatcher/telemetry/README.md` |
| `DISPATCHER_TELEMETRY_SECONDS`    | 2                                        | how long an invocation waits at its end, at most, until telemetry is sent; less where its platform leaves less |
| `DISPATCHER_UI_AUTH`              | (none)                                   | the page and the HTTP API behind an identity-aware proxy: `header:NAME`, the header in which the proxy says who asks. Needs the next two. `dispatcher ui` needs none of these |
| `DISPATCHER_UI_PROXY_SECRET`      | (none)                                   | what the proxy sends in the header `X-Dispatcher-Proxy-Secret`, at least 16 characters: without it nobody is believed to be the proxy |
| `DISPATCHER_UI_HOSTS`             | (none)                                   | the values of the header Host that are served, with commas: `pools.example.com` |
| `DISPATCHER_UI_EDITORS`           | (none)                                   | who may change things, with commas: names as the proxy writes them, `*@example.com`, a role's `ARN/*`, or `*`; everybody else may read |
| `DISPATCHER_LOG_LEVEL`            | (none)                                   | the level of the `dispatcher` logger, on which every decision is an INFO line of JSON; without it `INFO` in functions, `WARNING` in the CLI |
"""  # noqa: E501 - a table

from __future__ import annotations

import json
import logging
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from dispatcher.environment.addresses import url_fault
from dispatcher.errors import SettingsError

PREFIX = "DISPATCHER_"

WAKES = ("lambda:", "arn:", "command:")
"""The prefixes of a wake that is not a URL."""

SHORTEST_PROXY_SECRET = 16

PREFECT_IMAGE = "prefecthq/prefect:3-latest"

CERTIFICATES = "https://www.googleapis.com/oauth2/v1/certs"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings, checked. Times are seconds."""

    store: str
    tick_seconds: float = 50.0
    margin_seconds: float = 12.0
    timeout_seconds: float | None = None
    lease_seconds: float = 300.0
    clock_skew_seconds: float = 10.0
    tick_interval_seconds: float = 60.0
    max_claims: int = 2000
    schedule_ahead_seconds: float = 3600.0
    history_days: int = 30
    fan_out: str | None = None
    wake: str | None = None
    audience: frozenset[str] = frozenset()
    callers: frozenset[str] = frozenset()
    token_signature: str | None = None
    certificates_url: str = CERTIFICATES
    process_directory: str = ""
    default_pool: str | None = None
    credentials: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    docker_hosts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    kubernetes_clusters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    hooks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    managed: Mapping[str, Any] = field(default_factory=dict)
    provider_options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    prefect_api_url: str | None = None
    prefect_jobs_api_url: str | None = None
    prefect_pools: frozenset[str] = frozenset()
    prefect_image: str = PREFECT_IMAGE
    telemetry: tuple[str, ...] | None = None
    telemetry_seconds: float = 2.0
    ui_auth: str | None = None
    ui_proxy_secret: str | None = field(default=None, repr=False)
    ui_hosts: frozenset[str] = frozenset()
    ui_editors: frozenset[str] = frozenset()
    log_level: str | None = None

    @property
    def history(self) -> timedelta | None:
        """How long ended runs are kept; None: for ever."""
        return timedelta(days=self.history_days) if self.history_days else None

    @property
    def heartbeat(self) -> timedelta:
        """How long a pool counts as READY after a tick."""
        return timedelta(seconds=max(60.0, 3 * self.tick_interval_seconds))

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read and check the settings. Raises `SettingsError` that names the variable."""
        home = Path(environment.get("HOME") or Path.home()) / ".dispatcher"
        settings = cls(
            store=environment.get("DISPATCHER_STORE") or f"sqlite:///{home / 'dispatcher.db'}",
            tick_seconds=_seconds(environment, "DISPATCHER_TICK_SECONDS", cls.tick_seconds),
            margin_seconds=_seconds(environment, "DISPATCHER_MARGIN_SECONDS", cls.margin_seconds),
            timeout_seconds=_seconds(environment, "DISPATCHER_TIMEOUT_SECONDS", 0.0) or None,
            lease_seconds=_seconds(environment, "DISPATCHER_LEASE_SECONDS", cls.lease_seconds),
            clock_skew_seconds=_seconds(environment, "DISPATCHER_CLOCK_SKEW_SECONDS", cls.clock_skew_seconds),
            tick_interval_seconds=_seconds(environment, "DISPATCHER_TICK_INTERVAL_SECONDS", cls.tick_interval_seconds),
            max_claims=_count(environment, "DISPATCHER_MAX_CLAIMS", cls.max_claims),
            schedule_ahead_seconds=_seconds(environment, "DISPATCHER_SCHEDULE_AHEAD_SECONDS", cls.schedule_ahead_seconds),
            history_days=_count(environment, "DISPATCHER_HISTORY_DAYS", cls.history_days, least=0),
            fan_out=_choice(environment, "DISPATCHER_FAN_OUT", ("lambda",)),
            wake=_wake(environment, "DISPATCHER_WAKE"),
            audience=_names(environment, "DISPATCHER_AUDIENCE"),
            callers=_names(environment, "DISPATCHER_CALLERS"),
            token_signature=_choice(environment, "DISPATCHER_TOKEN_SIGNATURE", ("iam",)),
            certificates_url=environment.get("DISPATCHER_CERTIFICATES_URL") or CERTIFICATES,
            process_directory=environment.get("DISPATCHER_PROCESS_DIRECTORY") or str(home / "processes"),
            default_pool=environment.get("DISPATCHER_DEFAULT_POOL") or None,
            credentials=_entries(environment, "DISPATCHER_CREDENTIALS"),
            docker_hosts=_entries(environment, "DISPATCHER_DOCKER_HOSTS"),
            kubernetes_clusters=_entries(environment, "DISPATCHER_KUBERNETES_CLUSTERS"),
            hooks=_hooks(environment, "DISPATCHER_HOOKS"),
            managed=_object(environment, "DISPATCHER_MANAGED"),
            provider_options=_entries(environment, "DISPATCHER_PROVIDER_OPTIONS"),
            prefect_api_url=_url(environment, "DISPATCHER_PREFECT_API_URL"),
            prefect_jobs_api_url=_url(environment, "DISPATCHER_PREFECT_JOBS_API_URL"),
            prefect_pools=_names(environment, "DISPATCHER_PREFECT_POOLS"),
            prefect_image=environment.get("DISPATCHER_PREFECT_IMAGE") or PREFECT_IMAGE,
            telemetry=_choices(environment, "DISPATCHER_TELEMETRY", ("opentelemetry", "cloudwatch")),
            telemetry_seconds=_seconds(environment, "DISPATCHER_TELEMETRY_SECONDS", cls.telemetry_seconds),
            ui_auth=_ui_auth(environment),
            ui_proxy_secret=environment.get("DISPATCHER_UI_PROXY_SECRET") or None,
            ui_hosts=_names(environment, "DISPATCHER_UI_HOSTS"),
            ui_editors=_names(environment, "DISPATCHER_UI_EDITORS"),
            log_level=log_level(environment),
        )
        settings.check_lease()
        return settings

    def check_lease(self, call_seconds: float = 0.0) -> None:
        """A lease must outlast the invocation that made it, and that invocation's last call, which takes at most
        `call_seconds`.

        Raises `SettingsError` if it does not. The provider says how long a call may take: `wiring` checks again with that time.
        """
        needed = self.tick_seconds + call_seconds + self.clock_skew_seconds
        if self.lease_seconds <= needed:
            call = f", one provider call ({call_seconds:g})" if call_seconds else ""
            raise SettingsError(
                f"DISPATCHER_LEASE_SECONDS: {self.lease_seconds:g} is too short: it must be over {needed:g}, the sum of "
                f"DISPATCHER_TICK_SECONDS ({self.tick_seconds:g}){call} and "
                f"DISPATCHER_CLOCK_SKEW_SECONDS ({self.clock_skew_seconds:g})"
            )


def unknown_settings(environment: Mapping[str, str]) -> list[str]:
    """A line for each variable that looks like a setting but is not one (most likely a typing error), with the nearest setting.

    Variables of a job's own environment are not reported, and neither are the secret variables that hooks name.
    """
    names = set(re.findall(r"`(DISPATCHER_\w+)`", __doc__ or ""))
    if not names:  # Python runs without docstrings
        return []
    hooks = environment.get("DISPATCHER_HOOKS", "")
    return [
        f"{name} is not a setting{_nearest(name, names)}"
        for name in sorted(environment)
        if name.startswith(PREFIX) and name not in names | OF_JOBS | OF_PLATFORMS and f'"{name}"' not in hooks
    ]


OF_JOBS = frozenset(f"DISPATCHER_{name}" for name in ("RUN_ID", "RUN_NAME", "WORK_POOL", "WORK_QUEUE", "ATTEMPT", "DEPLOYMENT"))
"""The variables of a job's own environment."""


OF_PLATFORMS = frozenset(
    {"DISPATCHER_SCHEDULE", "DISPATCHER_PACKAGE", "DISPATCHER_STORE_SECRET", "DISPATCHER_SECRET_ENVIRONMENT"}
)
"""Variables that Azure's timer, a package's start and Lambda's handler read themselves."""


def _nearest(name: str, names: Iterable[str]) -> str:

    endings = [candidate.removeprefix(PREFIX) for candidate in sorted(names)]
    near = get_close_matches(name.removeprefix(PREFIX), endings, n=1)
    return f"; did you mean {PREFIX}{near[0]}?" if near else ""


def log_level(environment: Mapping[str, str]) -> str | None:
    """The log level in the environment, in capitals; None if there is none. Raises `SettingsError`."""
    text = environment.get("DISPATCHER_LOG_LEVEL")
    if not text:
        return None
    levels = logging.getLevelNamesMapping()
    if text.upper() not in levels:
        raise SettingsError(f"DISPATCHER_LOG_LEVEL: {text!r} is not a level; the levels are {', '.join(levels)}")
    return text.upper()


def _choice(environment: Mapping[str, str], name: str, choices: Sequence[str]) -> str | None:
    text = environment.get(name) or None
    if text is not None and text not in choices:
        raise SettingsError(f"{name}: must be {' or '.join(choices)}, or not set, not {text!r}")
    return text


def _choices(environment: Mapping[str, str], name: str, choices: Sequence[str]) -> tuple[str, ...] | None:
    text = environment.get(name) or None
    chosen = tuple(dict.fromkeys(word.strip() for word in text.split(","))) if text else None
    if chosen and not set(chosen) <= set(choices):
        raise SettingsError(f"{name}: must be {' or '.join(choices)}, several with commas, or not set, not {text!r}")
    return chosen


def _wake(environment: Mapping[str, str], name: str) -> str | None:
    """How a tick is started; `dispatcher.waking` parses it. No message repeats a URL, because it may hold a key."""
    text = environment.get(name) or None
    if text and not text.startswith(WAKES) and (fault := url_fault(text)):
        raise SettingsError(f"{name}: give lambda:NAME, the ARN of a function, command:..., or a URL, which {fault}")
    return text


def _ui_auth(environment: Mapping[str, str]) -> str | None:
    """How the page knows who asks; checks that the settings this needs are set. No message repeats the secret."""
    text = environment.get("DISPATCHER_UI_AUTH") or None
    if text is None:
        return None
    if not re.fullmatch(r"header:[A-Za-z0-9-]+", text):
        raise SettingsError(f"DISPATCHER_UI_AUTH: must be header:NAME, or not set, not {text!r}")
    secret = environment.get("DISPATCHER_UI_PROXY_SECRET", "")
    if len(secret) < SHORTEST_PROXY_SECRET or not secret.isascii():
        words = f"must have at least {SHORTEST_PROXY_SECRET} ASCII characters, because DISPATCHER_UI_AUTH is set"
        raise SettingsError(f"DISPATCHER_UI_PROXY_SECRET: {words}")
    if not _names(environment, "DISPATCHER_UI_HOSTS"):
        raise SettingsError("DISPATCHER_UI_HOSTS: must name the hosts that are served, because DISPATCHER_UI_AUTH is set")
    return text


def _url(environment: Mapping[str, str], name: str) -> str | None:
    """The address of an API. It may be plain HTTP, because a self-hosted server is often in a private network."""
    text = environment.get(name) or None
    if text is not None and not re.fullmatch(r"https?://[^\s/@]+(/[^\s@]*)?", text):
        raise SettingsError(f"{name}: give an address without a user or a password, as http://prefect:4200/api")
    return text


def _names(environment: Mapping[str, str], name: str) -> frozenset[str]:
    return frozenset(word.strip() for word in environment.get(name, "").split(",") if word.strip())


def _seconds(environment: Mapping[str, str], name: str, default: float) -> float:
    text = environment.get(name)
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 86_400:
        raise SettingsError(f"{name}: must be a number of seconds from 0 to 86400, not {text!r}")
    return value


def _count(environment: Mapping[str, str], name: str, default: int, *, least: int = 1) -> int:
    text = environment.get(name)
    if not text:
        return default
    if not text.isdecimal() or len(text) > 7 or not least <= int(text) <= 1_000_000:
        raise SettingsError(f"{name}: must be a whole number from {least} to 1000000, not {text!r}")
    return int(text)


def _object(environment: Mapping[str, str], name: str) -> dict[str, Any]:
    text = environment.get(name)
    if not text:
        return {}
    try:
        value = json.loads(text)
    except ValueError as problem:
        raise SettingsError(f"{name}: must be a JSON object ({problem})") from None
    if not isinstance(value, dict):
        raise SettingsError(f"{name}: must be a JSON object")
    return value


def _entries(environment: Mapping[str, str], name: str) -> dict[str, dict[str, Any]]:
    entries = _object(environment, name)
    if not all(isinstance(entry, dict) for entry in entries.values()):
        raise SettingsError(f"{name}: must be a JSON object whose values are objects")
    return entries


def _hooks(environment: Mapping[str, str], name: str) -> dict[str, dict[str, Any]]:
    """Where notifications go: over TLS, or to this machine itself. No message repeats an address, because it may hold a
    secret.
    """
    entries = _entries(environment, name)
    for hook, entry in entries.items():
        kinds = entry.keys() & {"url", "topic_arn"}
        if len(kinds) != 1 or entry.keys() - {"url", "topic_arn", "secret_variable", "allow_link_local"}:
            raise SettingsError(f"{name}: {hook!r} must hold either url (and secret_variable, if it is signed) or topic_arn")
        link_local = entry.get("allow_link_local", False)
        if not isinstance(link_local, bool):
            raise SettingsError(f"{name}: allow_link_local of {hook!r} must be true or false")
        if not all(isinstance(value, str) and value for key, value in entry.items() if key != "allow_link_local"):
            raise SettingsError(f"{name}: every value of {hook!r} must be a text that is not empty")
        if "url" in entry and (fault := url_fault(entry["url"], link_local=link_local)):
            raise SettingsError(f"{name}: the url of {hook!r} {fault}")
        if "topic_arn" in entry and not re.fullmatch(r"arn:[\w-]+:sns:[\w-]+:\d{12}:[\w.-]+", entry["topic_arn"]):
            raise SettingsError(f"{name}: the topic_arn of {hook!r} must be like arn:aws:sns:eu-central-1:123456789012:name")
    return entries
