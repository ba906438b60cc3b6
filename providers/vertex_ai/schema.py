"""The messages of a CustomJob as Google publishes them: only names and types.

Taken from the discovery document of aiplatform v1, revision 20261106
(https://aiplatform.googleapis.com/$discovery/rest?version=v1). A list contains the type of its items, `{"*": ...}` the type of
the values of an object with free keys, and a tuple the names of an enumeration. Durations are texts such as `600s`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

OUTPUT = frozenset(
    {
        "createTime",
        "endTime",
        "error",
        "name",
        "satisfiesPzi",
        "satisfiesPzs",
        "startTime",
        "state",
        "updateTime",
        "webAccessUris",
    }
)
"""Fields of a CustomJob that Vertex AI fills."""

MESSAGES: Mapping[str, Mapping[str, Any]] = {
    "ContainerSpec": {
        "args": ["string"],
        "command": ["string"],
        "env": ["EnvVar"],
        "imageUri": "string",
    },
    "CustomJob": {
        "createTime": "google-datetime",
        "displayName": "string",
        "encryptionSpec": "EncryptionSpec",
        "endTime": "google-datetime",
        "error": "GoogleRpcStatus",
        "jobSpec": "CustomJobSpec",
        "labels": {"*": "string"},
        "name": "string",
        "satisfiesPzi": "boolean",
        "satisfiesPzs": "boolean",
        "startTime": "google-datetime",
        "state": (
            "JOB_STATE_UNSPECIFIED",
            "JOB_STATE_QUEUED",
            "JOB_STATE_PENDING",
            "JOB_STATE_RUNNING",
            "JOB_STATE_SUCCEEDED",
            "JOB_STATE_FAILED",
            "JOB_STATE_CANCELLING",
            "JOB_STATE_CANCELLED",
            "JOB_STATE_PAUSED",
            "JOB_STATE_EXPIRED",
            "JOB_STATE_UPDATING",
            "JOB_STATE_PARTIALLY_SUCCEEDED",
        ),
        "updateTime": "google-datetime",
        "webAccessUris": {"*": "string"},
    },
    "CustomJobSpec": {
        "baseOutputDirectory": "GcsDestination",
        "enableDashboardAccess": "boolean",
        "enableWebAccess": "boolean",
        "experiment": "string",
        "experimentRun": "string",
        "models": ["string"],
        "network": "string",
        "persistentResourceId": "string",
        "protectedArtifactLocationId": "string",
        "pscInterfaceConfig": "PscInterfaceConfig",
        "reservedIpRanges": ["string"],
        "scheduling": "Scheduling",
        "serviceAccount": "string",
        "tensorboard": "string",
        "workerPoolSpecs": ["WorkerPoolSpec"],
    },
    "DiskSpec": {
        "bootDiskSizeGb": "int32",
        "bootDiskType": "string",
    },
    "DnsPeeringConfig": {
        "domain": "string",
        "targetNetwork": "string",
        "targetProject": "string",
    },
    "EncryptionSpec": {
        "kmsKeyName": "string",
    },
    "EnvVar": {
        "name": "string",
        "value": "string",
    },
    "GcsDestination": {
        "outputUriPrefix": "string",
    },
    "GoogleRpcStatus": {
        "code": "int32",
        "details": ["any"],
        "message": "string",
    },
    "LustreMount": {
        "filesystem": "string",
        "instanceIp": "string",
        "mountPoint": "string",
        "volumeHandle": "string",
    },
    "MachineSpec": {
        "acceleratorCount": "int32",
        "acceleratorType": (
            "ACCELERATOR_TYPE_UNSPECIFIED",
            "NVIDIA_TESLA_K80",
            "NVIDIA_TESLA_P100",
            "NVIDIA_TESLA_V100",
            "NVIDIA_TESLA_P4",
            "NVIDIA_TESLA_T4",
            "NVIDIA_TESLA_A100",
            "NVIDIA_A100_80GB",
            "NVIDIA_L4",
            "NVIDIA_H100_80GB",
            "NVIDIA_H100_MEGA_80GB",
            "NVIDIA_H200_141GB",
            "NVIDIA_B200",
            "NVIDIA_GB200",
            "NVIDIA_RTX_PRO_6000",
            "TPU_V2",
            "TPU_V3",
            "TPU_V4_POD",
            "TPU_V5_LITEPOD",
        ),
        "gpuPartitionSize": "string",
        "machineType": "string",
        "reservationAffinity": "ReservationAffinity",
        "tpuTopology": "string",
    },
    "NfsMount": {
        "mountPoint": "string",
        "path": "string",
        "server": "string",
    },
    "PscInterfaceConfig": {
        "dnsPeeringConfigs": ["DnsPeeringConfig"],
        "networkAttachment": "string",
    },
    "PythonPackageSpec": {
        "args": ["string"],
        "env": ["EnvVar"],
        "executorImageUri": "string",
        "packageUris": ["string"],
        "pythonModule": "string",
    },
    "ReservationAffinity": {
        "key": "string",
        "reservationAffinityType": (
            "TYPE_UNSPECIFIED",
            "NO_RESERVATION",
            "ANY_RESERVATION",
            "SPECIFIC_RESERVATION",
        ),
        "values": ["string"],
    },
    "Scheduling": {
        "disableRetries": "boolean",
        "maxWaitDuration": "google-duration",
        "restartJobOnWorkerRestart": "boolean",
        "strategy": (
            "STRATEGY_UNSPECIFIED",
            "ON_DEMAND",
            "LOW_COST",
            "STANDARD",
            "SPOT",
            "FLEX_START",
        ),
        "timeout": "google-duration",
    },
    "WorkerPoolSpec": {
        "containerSpec": "ContainerSpec",
        "diskSpec": "DiskSpec",
        "lustreMounts": ["LustreMount"],
        "machineSpec": "MachineSpec",
        "nfsMounts": ["NfsMount"],
        "pythonPackageSpec": "PythonPackageSpec",
        "replicaCount": "int64",
    },
}
