"""What an unmodified Prometheus client reads, from the same events as OpenTelemetry."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from dispatcher.telemetry.measurements import METRICS, MetricKind
from dispatcher.telemetry.open_telemetry import OpenTelemetry
from dispatcher.telemetry.prometheus import Prometheus, name_of
from providers.base import Rejected
from tests.builders import MINUTE, NOW, a_pool, a_queue
from tests.telemetry.stage import Watched

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
QUEUES = [a_queue("critical", 1, 1), a_queue("default", 2)]


def in_order(labels):
    """The values of labels by their names, the bound of a bucket last."""
    return tuple(labels[name] for name in sorted(labels, key=lambda name: (name == "le", name)))


class Page:
    """A stage whose events both read."""

    def __init__(self, *pools):
        self.time, self.reader = 0.0, InMemoryMetricReader()
        self.prometheus = Prometheus(fresh=60, now=lambda: self.time)
        self.stage = Watched(*pools, prometheus=lambda _report: self.prometheus, opentelemetry=self._open_telemetry)

    def _open_telemetry(self, report):
        return OpenTelemetry(report, resource=Resource({}), reader=self.reader)

    def samples(self, accept=""):
        page, _ = self.prometheus.page(accept)
        read = read_openmetrics if accept else read_text
        return {
            (sample.name, *in_order(sample.labels)): sample.value
            for family in read(page.decode())
            for sample in family.samples
            if family.name.startswith("dispatcher")
        }

    def measured_by_open_telemetry(self):
        """The same points under the names that OpenTelemetry's rule for Prometheus gives them."""
        units = {metric.name: (name_of(metric), metric.kind) for metric in METRICS}
        samples = {}
        for scope in self.reader.get_metrics_data().resource_metrics[0].scope_metrics:
            for metric in scope.metrics:
                name, kind = units[metric.name]
                for point in metric.data.data_points:
                    labels = in_order(point.attributes)
                    if kind is MetricKind.HISTOGRAM:
                        samples |= {(f"{name}_count", *labels): point.count, (f"{name}_sum", *labels): point.sum}
                        for index, bound in enumerate([*point.explicit_bounds, float("inf")]):
                            le = "+Inf" if bound == float("inf") else str(bound)
                            samples[(f"{name}_bucket", *labels, le)] = sum(point.bucket_counts[: index + 1])
                    else:
                        samples[f"{name}_total" if kind is MetricKind.COUNTER else name, *labels] = point.value
        return samples


@pytest.fixture
def page():
    page = Page(a_pool(limit=2, queues=QUEUES))
    page.stage.submissions_take(2)
    page.stage.add(2, queue="critical", due_at=NOW - 3 * MINUTE)
    page.stage.add(2, due_at=NOW - MINUTE)
    page.stage.provider.script("submit", Rejected(reason="no"))
    page.stage.tick()
    yield page
    page.stage.telemetry.close()


@pytest.mark.parametrize("accept", ["", OPENMETRICS])
def test_a_page_holds_what_open_telemetry_measures_under_the_names_of_its_rule(page, accept):
    samples = page.samples(accept)
    assert samples == page.measured_by_open_telemetry()
    assert samples["dispatcher_pool_slot_limit", "pool"] == 2
    assert samples["dispatcher_run_ended_total", "pool", "critical", "CRASHED"] == 1


def test_counters_go_on_over_ticks_and_pages(page):
    before = page.samples()["dispatcher_tick_duration_seconds_count", "pool"]
    page.stage.tick()
    assert page.samples()["dispatcher_tick_duration_seconds_count", "pool"] == before + 1


def test_a_gauge_of_a_pool_that_is_no_longer_ticked_goes_away_and_counters_stay(page):
    page.time = 60.0
    assert ("dispatcher_pool_slot_usage", "pool") in page.samples()
    page.time = 61.0
    assert ("dispatcher_pool_slot_usage", "pool") not in page.samples()
    assert ("dispatcher_run_admissions_total", "pool", "critical") in page.samples()


def test_the_process_itself_is_measured(page):
    assert b"process_resident_memory_bytes" in page.prometheus.page("")[0]
