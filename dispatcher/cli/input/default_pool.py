"""The work pool that `run create` and `deployment create` use if none is named.

The default belongs to a person, not to the store. It is `DISPATCHER_DEFAULT_POOL` if that is set. Otherwise it is what
`--set-as-default` has saved in `~/.dispatcher/default-pools.json`, separately for each store. Functions have no default: a
request to a function has to name a pool.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from dispatcher.cli.context import Context
from dispatcher.errors import Fault, InvalidInput, NotFound

FIX = "dispatcher work-pool update NAME --set-as-default"


def pool_or_default(context: Context, pool: str | None) -> str:
    """The named pool, or the default. Raises `InvalidInput` without either, `NotFound` for a deleted default."""
    if pool is not None:
        return pool
    name = default_pool(context)
    if name is None:
        raise InvalidInput("request", [Fault("pool", f"name a work pool (--pool), or choose a default: {FIX}")])
    return name


def default_pool(context: Context) -> str | None:
    """The default, or None. Raises `NotFound` if the pool has been deleted."""
    name = context.settings.default_pool or _noted().get(_key(context))
    if name is not None and context.wiring.store.pool(name) is None:
        source = "DISPATCHER_DEFAULT_POOL" if context.settings.default_pool else str(_file())
        raise NotFound(f"the default work pool {name!r} ({source}) does not exist; choose another: {FIX}")
    return name


def set_default(context: Context, name: str) -> str:
    """Save a pool as the default of this store; returns a report of that, and of anything that overrides it."""
    _write({**_noted(), _key(context): name})
    over = context.settings.default_pool
    return f" It is the default now{f', but DISPATCHER_DEFAULT_POOL={over} wins' if over not in (None, name) else ''}."


def forget_default(context: Context, name: str) -> None:
    """Forget a deleted pool."""
    noted = _noted()
    if noted.get(_key(context)) == name:
        _write({key: value for key, value in noted.items() if key != _key(context)})


def _noted() -> dict[str, str]:
    """The saved defaults by store. Raises `InvalidInput` for a file of another format."""
    path = _file()
    try:
        noted = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError:
        noted = None
    if not isinstance(noted, dict) or not all(isinstance(name, str) for name in noted.values()):
        raise InvalidInput("file", [Fault(str(path), "is not what --set-as-default writes; correct or remove it")])
    return noted


def _write(noted: dict[str, str]) -> None:
    path = _file()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_text(json.dumps(noted, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    new.replace(path)


def _file() -> Path:
    return Path(os.environ.get("HOME") or Path.home()) / ".dispatcher" / "default-pools.json"


def _key(context: Context) -> str:
    """The store's URL without its password, and with the absolute path of a file."""
    name = context.store_name
    scheme, _, place = name.partition("///")
    return f"{scheme}///{Path(place).resolve()}" if scheme == "sqlite:" and not place.startswith(":") else name
