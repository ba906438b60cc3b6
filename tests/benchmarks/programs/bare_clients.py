"""The least that boto3 needs before its first calls to ECS and DynamoDB."""

import boto3

boto3.client("dynamodb")
boto3.client("ecs")
