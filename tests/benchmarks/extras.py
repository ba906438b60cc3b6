"""What the extra of each pool type brings: its size on disk, and the CPU of importing its provider beside its SDK alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from importlib.metadata import Distribution, distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from providers import registry
from providers.registry import ProviderType
from tests.benchmarks.figures import Figure, Result
from tests.benchmarks.measuring import Options, cold, in_turns, ratios

NOTHING = "python -c pass"
MEGABYTE = 1e6


def measure(options: Options) -> Result:
    """One provider type of each extra, in cold processes that take turns."""
    kinds = {str(kind.extra): kind for name in registry.types() if (kind := registry.provider_type(name)).extra}
    sides = {NOTHING: ""}
    for extra, kind in kinds.items():
        sides |= {f"{extra}: the SDK alone": f"import {kind.sdk}", f"{extra}: the provider with it": _loading(kind)}
    cpus = in_turns(options.runs, {name: partial(_cpu, code) for name, code in sides.items()})
    figures = [Figure(NOTHING, "ms", cpus[NOTHING])]
    for extra in kinds:
        alone, both = f"{extra}: the SDK alone", f"{extra}: the provider with it"
        figures += [
            Figure(f"{extra}: on disk", "MB", (_size(extra) / MEGABYTE,)),
            Figure(alone, "ms", cpus[alone]),
            Figure(both, "ms", cpus[both]),
            Figure(f"{extra}: the provider to the SDK", "times", ratios(cpus[both], cpus[alone])),
        ]
    notes = [
        "user and system time of one process; bytecode is there",
        "on disk: the distributions of the extra that the package without extras does not need, without bytecode",
    ]
    return Result("extras", "what the extra of each pool type brings", figures, notes)


def _loading(kind: ProviderType) -> str:
    return f"import {kind.sdk}, {kind.factory.partition(':')[0]}"


def _cpu(code: str) -> float:
    return 1000 * cold(["-c", code or "pass"]).cpu


def _size(extra: str) -> int:
    brought = _closure(f"push-dispatcher[{extra}]").keys() - _closure("push-dispatcher").keys()
    return sum(_bytes(distribution(name)) for name in brought)


def _closure(root: str) -> dict[str, None]:
    """The names of all distributions that a requirement needs here."""
    names: dict[str, None] = {}
    waiting = [Requirement(root)]
    while waiting:
        for required in _required(waiting.pop()):
            key = canonicalize_name(required.name) + f"[{','.join(sorted(required.extras))}]"
            if key not in names:
                names[key] = None
                waiting.append(required)
    return dict.fromkeys(key.partition("[")[0] for key in names)


def _required(requirement: Requirement) -> Iterator[Requirement]:
    for text in distribution(requirement.name).requires or ():
        required = Requirement(text)
        extras = requirement.extras or {""}
        if required.marker is None or any(required.marker.evaluate({"extra": extra}) for extra in extras):
            yield required


def _bytes(dist: Distribution) -> int:
    paths = (str(dist.locate_file(file)) for file in dist.files or () if file.suffix != ".pyc")
    return sum(os.path.getsize(path) for path in paths if os.path.isfile(path))
