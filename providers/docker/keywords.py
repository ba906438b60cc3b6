"""`container_create_kwargs` of Prefect's template (keyword arguments of Docker's SDK for Python) become fields of the Engine
API.

The names: https://docker-py.readthedocs.io/en/stable/containers.html; the fields: https://docs.docker.com/reference/api/engine/.
Keywords that are not in these tables are refused, never ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from providers.base import ConfigurationError
from providers.docker.memory import amount_of_bytes
from providers.remarks import reason_of, unknown_key
from providers.values import command, kind, mapping, objects, required_text, text, texts

Read = Callable[[Any, str], Any]


def whole(value: Any, path: str) -> int:
    """A whole number; it may be negative."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConfigurationError(f"{path}: give a whole number, not {kind(value)}")
    return value


def flag(value: Any, path: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise ConfigurationError(f"{path}: give true or false, not {kind(value)}")
    return value


def items(value: Any, path: str) -> list[str]:
    """A list of texts; a single text becomes a list of one."""
    return texts([value] if isinstance(value, str) else value, path)


def named(value: Any, path: str) -> dict[str, str]:
    """An object of texts."""
    return {str(name): text(item) for name, item in mapping(value, path).items()}


def _hosts(value: Any, path: str) -> list[str]:
    if isinstance(value, Mapping):
        return [f"{name}:{address}" for name, address in named(value, path).items()]
    return items(value, path)


def _devices(value: Any, path: str) -> list[dict[str, str]]:
    """Devices in the form `/dev/sda:/dev/xvda:rwm`; the last two parts are optional."""
    devices = []
    for device in items(value, path):
        host, _, rest = device.partition(":")
        container, _, permissions = rest.partition(":")
        devices.append(
            {"PathOnHost": host, "PathInContainer": container or host, "CgroupPermissions": permissions or "rwm"},
        )
    return devices


def _capitalised(value: Any, path: str) -> list[dict[str, Any]]:
    """Objects whose keys may be lower case, like the keyword arguments of the SDK's types."""
    return [{_field(str(key)): content for key, content in item.items()} for item in objects(value, path)]


def _field(key: str) -> str:
    words = key.split("_") if key.islower() else [key]
    return "".join({"ids": "IDs"}.get(word, word[:1].upper() + word[1:]) for word in words)


def _log_config(value: Any, path: str) -> dict[str, Any]:
    entries = {str(key).lower(): item for key, item in mapping(value, path).items()}
    return {
        "Type": required_text(entries.get("type"), f"{path}.type"),
        "Config": named(entries.get("config"), f"{path}.config"),
    }


CONTAINER: Mapping[str, tuple[str, Read]] = {
    "domainname": ("Domainname", required_text),
    "entrypoint": ("Entrypoint", command),
    "hostname": ("Hostname", required_text),
    "stop_signal": ("StopSignal", required_text),
    "tty": ("Tty", flag),
    "user": ("User", lambda value, path: required_text(text(value), path)),
    "working_dir": ("WorkingDir", required_text),
}
"""Keywords of the container itself."""

HOST: Mapping[str, tuple[str, Read]] = {
    "blkio_weight": ("BlkioWeight", whole),
    "cap_add": ("CapAdd", items),
    "cap_drop": ("CapDrop", items),
    "cgroup_parent": ("CgroupParent", required_text),
    "cgroupns": ("CgroupnsMode", required_text),
    "cpu_count": ("CpuCount", whole),
    "cpu_percent": ("CpuPercent", whole),
    "cpu_period": ("CpuPeriod", whole),
    "cpu_quota": ("CpuQuota", whole),
    "cpu_shares": ("CpuShares", whole),
    "cpuset_cpus": ("CpusetCpus", required_text),
    "cpuset_mems": ("CpusetMems", required_text),
    "device_cgroup_rules": ("DeviceCgroupRules", items),
    "device_requests": ("DeviceRequests", _capitalised),
    "devices": ("Devices", _devices),
    "dns": ("Dns", items),
    "dns_opt": ("DnsOptions", items),
    "dns_search": ("DnsSearch", items),
    "extra_hosts": ("ExtraHosts", _hosts),
    "group_add": ("GroupAdd", items),
    "init": ("Init", flag),
    "ipc_mode": ("IpcMode", required_text),
    "log_config": ("LogConfig", _log_config),
    "mem_reservation": ("MemoryReservation", amount_of_bytes),
    "mem_swappiness": ("MemorySwappiness", whole),
    "mounts": ("Mounts", _capitalised),
    "nano_cpus": ("NanoCpus", whole),
    "oom_kill_disable": ("OomKillDisable", flag),
    "oom_score_adj": ("OomScoreAdj", whole),
    "pid_mode": ("PidMode", required_text),
    "pids_limit": ("PidsLimit", whole),
    "read_only": ("ReadonlyRootfs", flag),
    "runtime": ("Runtime", required_text),
    "security_opt": ("SecurityOpt", items),
    "shm_size": ("ShmSize", amount_of_bytes),
    "storage_opt": ("StorageOpt", named),
    "sysctls": ("Sysctls", named),
    "tmpfs": ("Tmpfs", named),
    "ulimits": ("Ulimits", _capitalised),
    "userns_mode": ("UsernsMode", required_text),
    "volumes_from": ("VolumesFrom", items),
}
"""Keywords of the host configuration."""

OWN_VARIABLES: Mapping[str, str] = {
    **{name: name for name in ("image", "command", "labels", "name", "volumes", "mem_limit", "memswap_limit", "privileged")},
    **{name: name for name in ("network_mode", "auto_remove")},
    "environment": "env",
    "network": "networks",
}
"""Keywords for which the template has its own variables."""

REFUSED: Mapping[str, str] = {
    "restart_policy": "a restart would run the same attempt twice; retries of a run are the dispatcher's (retry policies)",
    "detach": "every job is detached; leave it out",
    "remove": "a container is removed once its end is recorded; leave it out",
}


def keyword_fields(value: Any, path: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields of the container and of its host configuration that the keywords set. Raises `ConfigurationError`."""
    keywords = {str(name): item for name, item in mapping(value, path).items() if item is not None}
    for name, item in keywords.items():
        if reason := _refusal(name, item, path):
            raise ConfigurationError(reason)
    return _read(CONTAINER, keywords, path), _read(HOST, keywords, path)


def _read(table: Mapping[str, tuple[str, Read]], keywords: Mapping[str, Any], path: str) -> dict[str, Any]:
    readers = ((name, *table[name]) for name in keywords if name in table)
    return {field: read(keywords[name], f"{path}.{name}") for name, field, read in readers}


def _refusal(name: str, value: Any, path: str) -> str:
    if name in CONTAINER or name in HOST or (name == "restart_policy" and _is_no(value)):
        return ""
    if name in OWN_VARIABLES:
        return f"{path}.{name}: give the job variable {OWN_VARIABLES[name]!r} instead"
    if name in REFUSED:
        return f"{path}.{name}: {REFUSED[name]}"
    return reason_of([unknown_key(path, name, names())])


def _is_no(value: Any) -> bool:
    return value in ("", "no", {}) or (isinstance(value, Mapping) and value.get("Name", value.get("name")) in ("", "no"))


def names() -> tuple[str, ...]:
    """All keywords that are read."""
    return (*CONTAINER, *HOST)
