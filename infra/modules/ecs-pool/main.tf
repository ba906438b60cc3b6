# What a push pool needs on ECS: a cluster, a place for logs, the roles of its tasks, and the least rights a dispatcher needs there.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.id
  account   = data.aws_caller_identity.current.account_id
  ecs       = "arn:${local.partition}:ecs:${local.region}:${local.account}"

  # ARNs are made up from names, so that policies are known, and their sizes checked, before anything is made.
  cluster_arn  = var.create_cluster ? "${local.ecs}:cluster/${var.name}" : var.cluster_arn
  cluster_name = element(split("/", coalesce(local.cluster_arn, "/")), 1)
}

resource "aws_ecs_cluster" "this" {
  count = var.create_cluster ? 1 : 0

  name = var.name
  tags = var.tags

  setting {
    name  = "containerInsights"
    value = var.container_insights
  }
}

resource "aws_ecs_cluster_capacity_providers" "this" {
  count = var.create_cluster ? 1 : 0

  cluster_name       = aws_ecs_cluster.this[0].name
  capacity_providers = ["FARGATE", "FARGATE_SPOT"]
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/push-dispatcher/${var.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
  tags              = var.tags

  lifecycle {
    precondition {
      condition     = var.create_cluster == (var.cluster_arn == null)
      error_message = "create_cluster, cluster_arn: give cluster_arn and create_cluster = false, or neither."
    }

    precondition {
      condition     = try(startswith(local.cluster_arn, "${local.ecs}:cluster/"), true)
      error_message = "cluster_arn: the cluster must be in the account and region of this module's provider, ${local.account} and ${local.region}. Give the module a provider of the cluster's account and region."
    }
  }
}
