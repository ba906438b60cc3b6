"""Which jobs a quota's refusal concerns, in the words that Cloud Run was seen to use."""

from __future__ import annotations

import pytest

from providers import registry
from providers.base import ConfigurationError, Hold, Needs
from providers.cloud_run.quotas import Info, hold, is_quota
from tests.providers.cloud_run.builders import TEMPLATES, a_job

HERE = ("", "p", "us-central1")
NEEDS = Needs(place=HERE, size={"cpu": 4.0, "memory": 16384.0, "gpu": 1.0})
RATE = Hold(place=HERE)
RUNNING = Hold(place=HERE, freed_by_end=True)


def missing(**size):
    return Hold(place=HERE, size=size, freed_by_end=True)


@pytest.mark.parametrize(
    ("quota", "words", "expected"),
    [
        ("WritePerMinutePerProjectRegion run.googleapis.com/write_regional", "Quota exceeded", RATE),
        ("", "Quota exceeded for quota metric 'Write requests' and limit 'Write requests per minute per region'", RATE),
        ("", "RESOURCE_EXHAUSTED: try again later", RATE),
        ("", "Quota exceeded: running executions per project and region, limit 4", RUNNING),
        ("", "Quota exceeded: jobs per project and region, limit 1000", RUNNING),
        ("CpuAllocPerProjectRegion run.googleapis.com/cpu_allocation", "Quota exceeded", missing(cpu=4.0)),
        ("", "Quota exceeded for quota metric 'CPU allocation' and limit 'CPU allocation per region'", missing(cpu=4.0)),
        ("", "Quota exceeded for total allowable CPU per project per region.", missing(cpu=4.0)),
        ("", "Quota violated: MemAllocPerProjectRegion requested: 1024 allowed: 4096", missing(memory=16384.0)),
        ("NvidiaL4GpuAllocNoZonalRedundancyPerProjectRegion", "Quota exceeded", missing(gpu=1.0)),
        ("", "Quota violated: CpuAllocPerProjectRegion requested: 60000 allowed: 20000", None),
        ("", "Quota violated: NvidiaL4GpuAllocPerProjectRegion requested: 1 allowed: 0", None),
    ],
)
def test_a_quota_holds_the_jobs_that_it_concerns(quota, words, expected):
    assert hold(Info(quota=quota), words, NEEDS) == expected


def test_a_violated_quota_is_known_by_its_words():
    assert is_quota(Info(), "INVALID_ARGUMENT: ... Quota violated: CpuAllocPerProjectRegion requested: 60000 allowed: 20000")
    assert is_quota(Info(reason="RATE_LIMIT_EXCEEDED"), "PERMISSION_DENIED: no")
    assert not is_quota(Info(), "INVALID_ARGUMENT: image: no such thing")


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES.keys())
def test_a_job_needs_its_place_and_its_size(template):
    job = a_job(template=template, cpu="2000m", memory="1Gi", region="europe-west1", credentials="team")
    needs = registry.needs("cloud-run-v2:push", job.configuration)
    assert needs == Needs(place=("team", "", "europe-west1"), size={"cpu": 2.0, "memory": 1024.0})


def test_tasks_at_once_and_gpus_count():
    job = a_job(task_count=10, parallelism=3, gpu_count=1, gpu_type="nvidia-l4", cpu="4", memory="16Gi", project="q")
    needs = registry.needs("cloud-run:push", job.configuration)
    assert needs == Needs(place=("", "q", "us-central1"), size={"cpu": 12.0, "memory": 49152.0, "gpu": 3.0})


def test_an_unreadable_size_is_refused_by_its_field():
    job = a_job(cpu="many")
    with pytest.raises(ConfigurationError, match=r"limits\.cpu"):
        registry.needs("cloud-run-v2", job.configuration)
