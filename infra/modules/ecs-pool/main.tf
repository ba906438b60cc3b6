# What a push pool needs on ECS: a cluster, a place for logs, the roles of its tasks, and the least rights a dispatcher needs there.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  cluster_arn  = coalesce(var.cluster_arn, one(aws_ecs_cluster.this[*].arn))
  cluster_name = element(split("/", local.cluster_arn), 1)
  ecs          = "arn:${data.aws_partition.current.partition}:ecs:${data.aws_region.current.name}:${data.aws_caller_identity.current.account_id}"
}

resource "aws_ecs_cluster" "this" {
  count = var.cluster_arn == null ? 1 : 0

  name = var.name
  tags = var.tags

  setting {
    name  = "containerInsights"
    value = var.container_insights
  }
}

resource "aws_ecs_cluster_capacity_providers" "this" {
  count = var.cluster_arn == null ? 1 : 0

  cluster_name       = aws_ecs_cluster.this[0].name
  capacity_providers = ["FARGATE", "FARGATE_SPOT"]
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/push-dispatcher/${var.name}"
  retention_in_days = var.log_retention_days
  tags              = var.tags
}
