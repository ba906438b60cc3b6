"""Google Cloud Run: one job per run, made and started by one call under the run's own name.

Google's SDK is imported by the first call, not by this package.
"""

from providers.cloud_run.provider import CloudRunProvider

__all__ = ["CloudRunProvider"]
