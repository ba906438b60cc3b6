"""Bodies of the v1 API come out as the same job in v2."""

from __future__ import annotations

import pytest

from providers.base import ConfigurationError
from providers.cloud_run.connection import message_of
from providers.cloud_run.fields import pruned
from providers.cloud_run.knative import is_knative, translated


def a_body(annotations=None, execution=None, task=None, **metadata):
    return {
        "apiVersion": "run.googleapis.com/v1",
        "kind": "Job",
        "metadata": {"annotations": annotations or {}, **metadata},
        "spec": {"template": {"spec": {**(execution or {}), "template": {"spec": task or {}}}}},
    }


def task_of(body):
    job = pruned(translated(body))
    message_of({key: value for key, value in job.items() if key != "timeout"})
    return job["template"]["template"]


def test_a_body_of_the_v2_api_is_recognised_by_its_shape():
    assert is_knative(a_body())
    assert not is_knative({"template": {"template": {}}})


def test_annotations_become_the_fields_they_mean():
    job = translated(
        a_body(
            {
                "run.googleapis.com/launch-stage": "BETA",
                "run.googleapis.com/vpc-access-connector": "c",
                "run.googleapis.com/vpc-access-egress": "all-traffic",
                "run.googleapis.com/execution-environment": "gen2",
                "run.googleapis.com/encryption-key": "k",
                "run.googleapis.com/operation-id": "exported",
                "serving.knative.dev/creator": "exported",
                "team": "data",
            }
        )
    )
    assert job["launchStage"] == "BETA"
    assert job["annotations"] == {"team": "data"}
    assert job["template"]["template"] == {
        "containers": [],
        "vpcAccess": {"connector": "c", "egress": "ALL_TRAFFIC"},
        "executionEnvironment": "EXECUTION_ENVIRONMENT_GEN2",
        "encryptionKey": "k",
    }


def test_direct_vpc_egress_is_read_out_of_its_annotation():
    body = a_body({"run.googleapis.com/network-interfaces": '[{"network": "n", "subnetwork": "s"}]'})
    assert task_of(body)["vpcAccess"] == {"networkInterfaces": [{"network": "n", "subnetwork": "s"}]}


def test_an_annotation_without_a_counterpart_in_v2_is_refused_by_name():
    with pytest.raises(ConfigurationError, match=r"run\.googleapis\.com/novelty"):
        translated(a_body({"run.googleapis.com/novelty": "1"}))


def test_labels_of_the_system_are_left_behind():
    job = translated(a_body(labels={"team": "data", "cloud.googleapis.com/location": "x"}))
    assert job["labels"] == {"team": "data"}


def test_the_execution_keeps_its_counts_and_the_task_its_limits():
    body = a_body(execution={"taskCount": 3, "parallelism": 2}, task={"maxRetries": 1, "serviceAccountName": "a@b"})
    job = pruned(translated(body))
    assert (job["template"]["taskCount"], job["template"]["parallelism"]) == (3, 2)
    assert job["template"]["template"] == {"maxRetries": 1, "serviceAccount": "a@b"}


def test_secrets_become_value_sources_and_volumes():
    task = task_of(
        a_body(
            task={
                "containers": [
                    {"image": "i", "env": [{"name": "P", "valueFrom": {"secretKeyRef": {"name": "s", "key": "3"}}}]}
                ],
                "volumes": [
                    {"name": "a", "secret": {"secretName": "s", "items": [{"key": "1", "path": "f"}]}},
                    {"name": "b", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}},
                    {
                        "name": "c",
                        "csi": {
                            "driver": "gcsfuse.run.googleapis.com",
                            "readOnly": True,
                            "volumeAttributes": {"bucketName": "d"},
                        },
                    },
                ],
            }
        )
    )
    assert task["containers"][0]["env"] == [{"name": "P", "valueSource": {"secretKeyRef": {"secret": "s", "version": "3"}}}]
    assert task["volumes"] == [
        {"name": "a", "secret": {"secret": "s", "items": [{"path": "f", "version": "1"}]}},
        {"name": "b", "emptyDir": {"medium": "MEMORY", "sizeLimit": "1Gi"}},
        {"name": "c", "gcs": {"bucket": "d", "readOnly": True}},
    ]


def test_an_accelerator_is_selected_as_in_v1():
    body = a_body(task={"nodeSelector": {"run.googleapis.com/accelerator": "nvidia-l4"}})
    assert task_of(body)["nodeSelector"] == {"accelerator": "nvidia-l4"}
