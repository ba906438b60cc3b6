"""Google Vertex AI: one CustomJob per attempt, found by its label.

    place       where jobs are put, and how they are addressed
    schema      the published messages; shape fits a template's job spec to them
    needs       what a job takes of a quota
    request     a rendered configuration becomes the body of a create call
    checking    what can be said of a configuration without a call
    answers     what Google's answers mean for a job
    connection  HTTP and identity; the one module that imports google-auth and requests
    region      the calls, within the time of one operation
    observation a CustomJob becomes an `Observation`
    provider    the protocol

google-auth is imported by the first call, not by this package. README.md says what is promised.
"""

from providers.vertex_ai.provider import VertexAiProvider

__all__ = ["VertexAiProvider"]
