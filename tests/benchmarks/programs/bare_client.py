"""The least that boto3 needs before its first call to ECS."""

import boto3

boto3.client("ecs")
