"""Cloud Run's refusals, in Google's form."""

from __future__ import annotations

from providers.emulators.google_errors import HTTP_CODES, TYPES, Refusal

__all__ = ["HTTP_CODES", "Refusal", "already_exists", "invalid", "not_found", "over_quota", "over_rate"]


def invalid(field: str, message: str) -> Refusal:
    """The refusal of a request with an invalid field."""
    violation = {"field": field, "description": message}
    return Refusal(
        "INVALID_ARGUMENT", f"Violation in {field}: {message}", {"@type": TYPES + "BadRequest", "fieldViolations": [violation]}
    )


def not_found(name: str) -> Refusal:
    """The refusal for a resource that does not exist."""
    return Refusal("NOT_FOUND", f"Resource '{name.rpartition('/')[2]}' of kind '{_kind(name)}' does not exist.")


def already_exists(identifier: str) -> Refusal:
    """The refusal of a taken name, in the real service's words (prefect-archive/prefect-gcp#254)."""
    return Refusal("ALREADY_EXISTS", f"Resource '{identifier}' already exists.")


def over_rate(*, metric: str, limit: str, region: str, project: str, allowed: int, seconds: float | None) -> Refusal:
    """The refusal of too many calls a minute: ErrorInfo has the quota's name, and RetryInfo the wait if `seconds` is set."""
    kind = "Write" if metric.startswith("write") else "Read"
    info = {
        "@type": TYPES + "ErrorInfo",
        "reason": "RATE_LIMIT_EXCEEDED",
        "domain": "googleapis.com",
        "metadata": {
            "service": "run.googleapis.com",
            "quota_metric": f"run.googleapis.com/{metric}",
            "quota_limit": limit,
            "quota_limit_value": str(allowed),
            "quota_location": region,
            "consumer": f"projects/{project}",
        },
    }
    wait = [] if seconds is None else [{"@type": TYPES + "RetryInfo", "retryDelay": f"{seconds:.3f}s"}]
    message = (
        f"Quota exceeded for quota metric '{kind} requests' and limit '{kind} requests per minute per region' of service "
        f"'run.googleapis.com' for consumer 'projects/{project}'."
    )
    return Refusal("RESOURCE_EXHAUSTED", message, info, *wait)


def over_quota(quota: str, allowed: int) -> Refusal:
    """The refusal by a quota that time alone does not refill. The real service's words are unknown."""
    return Refusal("RESOURCE_EXHAUSTED", f"Quota exceeded: {quota}, limit {allowed}. See https://cloud.google.com/run/quotas")


def _kind(name: str) -> str:
    return name.split("/")[-2].upper().removesuffix("S") if "/" in name else "RESOURCE"
