"""The delay after a refusal: exponential, capped, and spread by the run's name, not at random."""

from __future__ import annotations

from hashlib import sha256

FIRST_SECONDS = 5.0
CAP_SECONDS = 900.0


def delay(refusals: int, name: str, *, first: float = FIRST_SECONDS, cap: float = CAP_SECONDS) -> float:
    """Seconds to wait after the `refusals`-th refusal in a row (1 is the first).

    The full delay doubles from `first` up to `cap`. The result lies in its upper half, at a point that depends on `name` and
    `refusals` alone: a repeated tick gets the same delay, and many runs do not come back at the same time.
    """
    full = min(cap, first * 2.0 ** min(max(refusals, 1) - 1, 30))
    digest = sha256(f"{name}/{refusals}".encode()).digest()
    return full * (0.5 + int.from_bytes(digest[:8]) / 2**65)
