"""Google Vertex AI: one CustomJob per attempt, found by its label.

    place       the place of jobs, and their addresses
    schema      the published messages; `shape` fits a template's job spec to them
    needs       how much of a quota a job takes
    request     a rendered configuration becomes the body of a create call
    checking    checks of a configuration without a call
    answers     the meaning of Google's answers for a job
    connection  HTTP and identity; the one module that imports google-auth and requests
    region      the calls to one place, within the time of one operation
    observation a CustomJob becomes an `Observation`
    provider    the protocol

The first call imports google-auth; this package does not. README.md states the guarantees.
"""

from providers.vertex_ai.provider import VertexAiProvider

__all__ = ["VertexAiProvider"]
