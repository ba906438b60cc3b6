"""A local Vertex AI: CustomJobs of the API v1 over REST, and their log entries.

    with VertexAiEmulator(job_seconds=5) as vertex:
        os.environ.update(vertex.environment())

Offered: create, get, list (filter, readMask, paging), cancel and delete of CustomJobs, and `entries:list` of Cloud Logging.
Every request is checked against the published messages (`providers.vertex_ai.schema`): an unknown field or a wrong type is
refused with its path. Like the service, it accepts no name from its caller: the same request twice creates two jobs.

Assumed, because Google does not document it: how long a list lags behind a create (`list_lag`), that a cancel of an ended job
is answered with 400 FAILED_PRECONDITION, that only an ended job can be deleted, and the messages of errors.
"""

from providers.emulators.vertex_ai.emulator import VertexAiEmulator

__all__ = ["VertexAiEmulator"]
