"""A collector of OpenTelemetry's, as far as a test reads what came."""

from __future__ import annotations

from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

REQUESTS = {"/v1/metrics": ExportMetricsServiceRequest, "/v1/traces": ExportTraceServiceRequest}


class Collector(ThreadingHTTPServer):
    """Takes what is posted to it: `posted` has each request's path, headers and message."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Collecting)
        self.posted = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def metrics(self):
        """By name, every metric that came."""
        sent = [message for path, _, message in self.posted if path == "/v1/metrics"]
        scopes = [scope for message in sent for resource in message.resource_metrics for scope in resource.scope_metrics]
        return {metric.name: metric for scope in scopes for metric in scope.metrics}

    @property
    def spans(self):
        """The name of every span that came."""
        sent = [message for path, _, message in self.posted if path == "/v1/traces"]
        scopes = [scope for message in sent for resource in message.resource_spans for scope in resource.scope_spans]
        return {span.name for scope in scopes for span in scope.spans}


class Collecting(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posted.append((self.path, self.headers, REQUESTS[self.path].FromString(body)))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        """Not here."""


@contextmanager
def collecting():
    with Collector() as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
