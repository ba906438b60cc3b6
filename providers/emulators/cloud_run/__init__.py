"""A local Cloud Run: the jobs part of the Admin API v2 over REST, for the unmodified google-cloud-run client.

    with CloudRunEmulator(job_seconds=5) as cloud_run:
        os.environ.update(cloud_run.environment())
        JobsClient(
            transport="rest",
            credentials=AnonymousCredentials(),
            client_options=ClientOptions(api_endpoint=cloud_run.url),
        )

Offered: jobs (create, get, list, update, delete, run with overrides), executions (get, list, cancel, delete), tasks (get,
list), operations (get, wait). Every body is parsed as its message of `run_v2`, so an unknown field or a wrong type is refused
with its path. With `grpc=True` the same jobs are also served over gRPC.
"""

from providers.emulators.cloud_run.emulator import READS_PER_MINUTE, WRITES_PER_MINUTE, CloudRunEmulator

__all__ = ["READS_PER_MINUTE", "WRITES_PER_MINUTE", "CloudRunEmulator"]
