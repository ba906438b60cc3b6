"""Measurements as Prometheus reads them: pages of text, made when somebody asks. Importing this loads prometheus_client.

Names are OpenTelemetry's as its own rule translates them: dots become underscores, seconds and counters say so at the end.
https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from itertools import accumulate
from math import inf
from threading import Lock
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.utils import floatToGoString

from dispatcher.telemetry.measurements import METRICS, Measurement, Metric, MetricKind, measured

Values = Mapping[tuple[str, ...], Any]
"""By the values of a metric's attributes."""


class Distribution:
    """The values of a histogram: how many lie in each bucket, and their sum."""

    def __init__(self, boundaries: tuple[float, ...]) -> None:
        self._boundaries = (*boundaries, inf)
        self._counts = [0] * len(self._boundaries)
        self._sum = 0.0

    def add(self, value: float) -> None:
        """Record one value."""
        self._counts[bisect_left(self._boundaries, value)] += 1
        self._sum += value

    def buckets(self) -> tuple[list[tuple[str, float]], float]:
        """The values up to each boundary, and the sum of all."""
        up_to = [float(count) for count in accumulate(self._counts)]
        return list(zip(map(floatToGoString, self._boundaries), up_to, strict=True)), self._sum


class Prometheus:
    """Keeps what events measure. Events and questions may come from several threads."""

    def __init__(self, *, fresh: float, now: Callable[[], float] = time.monotonic) -> None:
        """`fresh`: seconds for which a gauge's last value is shown. A pool that another process ticks, or nobody, goes away."""
        self._fresh, self._now, self._lock = fresh, now, Lock()
        self._counters: dict[Metric, dict[tuple[str, ...], float]] = {metric: defaultdict(float) for metric in METRICS}
        self._gauges: dict[Metric, dict[tuple[str, ...], tuple[float, float]]] = {metric: {} for metric in METRICS}
        self._histograms: dict[Metric, dict[tuple[str, ...], Distribution]] = {metric: {} for metric in METRICS}
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def __call__(self, event: str, fields: Mapping[str, Any]) -> None:
        """Record one event."""
        with self._lock:
            for measurement in measured(event, fields):
                self._note(measurement)

    def flush(self) -> None:
        """Nothing is sent: Prometheus asks."""

    def close(self) -> None:
        """Nothing is left behind."""

    def page(self, accept: str) -> tuple[bytes, str]:
        """The page and its type, in the format that the Accept header prefers."""
        encode, kind = choose_encoder(accept)
        return encode(self._registry), kind

    def collect(self) -> Iterator[Family]:
        """Every metric that has a value, as the library wants them."""
        with self._lock:
            return iter([family for metric in METRICS if (family := self._family(metric))])

    def _note(self, measurement: Measurement) -> None:
        metric, attributes, value = measurement.metric, measurement.attributes, measurement.value
        match metric.kind:
            case MetricKind.COUNTER:
                self._counters[metric][attributes] += value
            case MetricKind.GAUGE:
                self._gauges[metric][attributes] = value, self._now()
            case MetricKind.HISTOGRAM:
                self._histograms[metric].setdefault(attributes, Distribution(metric.boundaries)).add(value)

    def _family(self, metric: Metric) -> Family | None:
        name, labels = name_of(metric), [underscored(attribute) for attribute in metric.attributes]
        match metric.kind:
            case MetricKind.COUNTER:
                return _filled(CounterMetricFamily(name, metric.description, labels=labels), self._counters[metric])
            case MetricKind.GAUGE:
                return _filled(GaugeMetricFamily(name, metric.description, labels=labels), self._fresh_gauges(metric))
            case MetricKind.HISTOGRAM:
                histogram = HistogramMetricFamily(name, metric.description, labels=labels)
                for attributes, distribution in self._histograms[metric].items():
                    histogram.add_metric(attributes, *distribution.buckets())
                return histogram if histogram.samples else None

    def _fresh_gauges(self, metric: Metric) -> Values:
        since = self._now() - self._fresh
        self._gauges[metric] = {attributes: value for attributes, value in self._gauges[metric].items() if value[1] >= since}
        return {attributes: value for attributes, (value, _) in self._gauges[metric].items()}


def _filled(family: CounterMetricFamily | GaugeMetricFamily, values: Values) -> Family | None:
    for attributes, value in values.items():
        family.add_metric(attributes, value)
    return family if family.samples else None


def name_of(metric: Metric) -> str:
    """A metric's name without `_total`, which the library adds to counters."""
    return underscored(metric.name) + ("_seconds" if metric.unit == "s" else "")


def underscored(name: str) -> str:
    """A name of OpenTelemetry as Prometheus can have it."""
    return name.replace(".", "_")
