"""OpenTelemetry: metrics and traces over OTLP/HTTP. Importing this module loads the SDK (extra `telemetry`).

Everything about it is set by OpenTelemetry's own variables, as OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS,
OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, OTEL_TRACES_SAMPLER, OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE:
https://opentelemetry.io/docs/languages/sdk-configuration/

`flush` sends it all. Only a full batch of spans is sent in between: a request that is under way when the function is frozen is
lost.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from dispatcher import __version__
from dispatcher.errors import SettingsError
from dispatcher.telemetry import Report
from dispatcher.telemetry.measurements import METRICS, Metric, MetricKind, measured
from dispatcher.telemetry.spans import Spans

SCOPE = "push-dispatcher"
NEVER = math.inf
"""Milliseconds between collections of metrics: only a flush collects them."""
A_DAY = 86_400_000.0
"""Milliseconds between exports of spans: the SDK takes no infinite time."""
LOGGER = logging.getLogger("opentelemetry")
SILENCE = logging.NullHandler()
"""Takes what a thread logs that outlives its telemetry; otherwise that would go to standard error."""

Record = Callable[[float, Mapping[str, str]], None]


class OpenTelemetry:
    """Records what events measure, and traces ticks. Without a reader there are no metrics, without a processor no traces."""

    def __init__(
        self, report: Report, *, resource: Resource, reader: MetricReader | None = None, processor: SpanProcessor | None = None
    ) -> None:
        self._complaints = _Complaints(report)
        self._complaints.begin()
        self._meters = MeterProvider([reader] if reader else [], resource, shutdown_on_exit=False)
        self._tracers = TracerProvider(resource=resource, shutdown_on_exit=False)
        if processor:
            self._tracers.add_span_processor(processor)
        self._spans = Spans(self._tracers.get_tracer(SCOPE, __version__)) if processor else None
        self._record = {metric: self._instrument(metric) for metric in METRICS}

    def __call__(self, event: str, fields: Mapping[str, Any]) -> None:
        """Record one event."""
        for measurement in measured(event, fields):
            self._record[measurement.metric](measurement.value, measurement.named)
        if self._spans:
            self._spans(event, fields)

    def flush(self) -> None:
        """Send everything; returns when it was sent, or when the exporters gave up (OTEL_EXPORTER_OTLP_TIMEOUT each)."""
        self._meters.force_flush()
        self._tracers.force_flush()

    def close(self) -> None:
        """Stop listening to the SDK's log. Its threads end with the process: nobody waits for a collector that hangs."""
        LOGGER.removeHandler(self._complaints)

    def _instrument(self, metric: Metric) -> Record:
        meter = self._meters.get_meter(SCOPE, __version__)
        if metric.kind is MetricKind.COUNTER:
            return meter.create_counter(metric.name, metric.unit, metric.description).add
        if metric.kind is MetricKind.GAUGE:
            values = _LastValues()
            meter.create_observable_gauge(metric.name, [values.observe], metric.unit, metric.description)
            return values.set
        buckets = metric.boundaries
        return meter.create_histogram(
            metric.name, metric.unit, metric.description, explicit_bucket_boundaries_advisory=buckets
        ).record


def from_environment(report: Report, *, instance: str, environment: Mapping[str, str] = os.environ) -> OpenTelemetry:
    """As OTEL_* variables say. `instance` distinguishes this process from others of the same service.

    Raises `SettingsError` for a variable with a value that cannot be used.
    """
    try:
        metrics = _is_exported(environment, "OTEL_METRICS_EXPORTER") and OTLPMetricExporter()
        traces = _is_exported(environment, "OTEL_TRACES_EXPORTER") and OTLPSpanExporter()
        return OpenTelemetry(
            report,
            resource=_resource(instance, environment),
            reader=PeriodicExportingMetricReader(metrics, export_interval_millis=NEVER) if metrics else None,
            processor=BatchSpanProcessor(traces, schedule_delay_millis=A_DAY) if traces else None,
        )
    except ValueError as problem:
        raise SettingsError(f"DISPATCHER_TELEMETRY: opentelemetry cannot use its OTEL_ variables: {problem}") from None


def _is_exported(environment: Mapping[str, str], name: str) -> bool:
    chosen = environment.get(name) or "otlp"
    if chosen not in ("otlp", "none"):
        raise SettingsError(f"{name}: must be otlp or none, or not set, not {chosen!r}")
    return chosen == "otlp"


def _resource(instance: str, environment: Mapping[str, str]) -> Resource:
    """The resource that sends. OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES take precedence."""
    own = {"service.name": SCOPE, "service.version": __version__, "service.instance.id": instance}
    variables = {
        "faas.name": "AWS_LAMBDA_FUNCTION_NAME",
        "faas.version": "AWS_LAMBDA_FUNCTION_VERSION",
        "cloud.region": "AWS_REGION",
    }
    platform = {attribute: environment[name] for attribute, name in variables.items() if environment.get(name)}
    return Resource.create({**own, **platform}).merge(OTELResourceDetector().detect())


class _LastValues:
    """Values since the last collection: an instance that no longer ticks a pool does not repeat its old values."""

    def __init__(self) -> None:
        self._values: dict[tuple[tuple[str, str], ...], float] = {}

    def set(self, value: float, attributes: Mapping[str, str]) -> None:
        self._values[tuple(attributes.items())] = value

    def observe(self, _: CallbackOptions) -> Sequence[Observation]:
        values, self._values = self._values, {}
        return [Observation(value, dict(attributes)) for attributes, value in list(values.items())]


class _Complaints(logging.Handler):
    """Reports in one line what the SDK logs with a traceback for each failed export."""

    def __init__(self, report: Report) -> None:
        super().__init__(logging.WARNING)
        self._report = report

    def begin(self) -> None:
        LOGGER.addHandler(self)
        LOGGER.addHandler(SILENCE)
        LOGGER.propagate = False

    def emit(self, record: logging.LogRecord) -> None:
        cause = record.exc_info[1] if record.exc_info else None
        self._report(f"{record.getMessage()}: {cause}" if cause else record.getMessage())
