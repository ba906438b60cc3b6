"""A local Vertex AI: CustomJobs of the API v1 over REST, and the log entries that they wrote.

    with VertexAiEmulator(job_seconds=5) as vertex:
        os.environ.update(vertex.environment())

Offered: create, get, list (filter, readMask, paging), cancel and delete of CustomJobs, and `entries:list` of Cloud Logging.
Every request is checked against the published messages (`providers.vertex_ai.schema`): an unknown field or a wrong type is
refused with its path. As the service does, it takes no name from its caller: the same request twice makes two jobs.

Assumed, because Google does not document it: how long a list is behind a create (`list_lag`), that a cancel of an ended job is
400 FAILED_PRECONDITION, that a job can only be deleted once it has ended, and the words of errors.
"""

from providers.emulators.vertex_ai.emulator import VertexAiEmulator

__all__ = ["VertexAiEmulator"]
