data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

# What ECS does for a task: pull its image, write its log, read its secrets.
resource "aws_iam_role" "execution" {
  name                 = "${var.name}-execution-${local.region}"
  path                 = var.iam.path
  permissions_boundary = var.iam.permissions_boundary
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  tags                 = var.tags
}

data "aws_iam_policy_document" "execution" {
  statement {
    sid       = "Logs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["arn:${local.partition}:logs:${local.region}:${local.account}:log-group:${aws_cloudwatch_log_group.this.name}:*"]
  }

  dynamic "statement" {
    for_each = length(var.repository_arns) > 0 ? [1] : []
    content {
      sid       = "Images"
      actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
      resources = var.repository_arns
    }
  }

  # AWS knows no narrower resource for this one.
  dynamic "statement" {
    for_each = length(var.repository_arns) > 0 ? [1] : []
    content {
      sid       = "Registry"
      actions   = ["ecr:GetAuthorizationToken"]
      resources = ["*"]
    }
  }

  dynamic "statement" {
    for_each = length(local.secrets) > 0 ? [1] : []
    content {
      sid       = "Secrets"
      actions   = ["secretsmanager:GetSecretValue"]
      resources = local.secrets
    }
  }

  dynamic "statement" {
    for_each = length(local.parameters) > 0 ? [1] : []
    content {
      sid       = "Parameters"
      actions   = ["ssm:GetParameters"]
      resources = local.parameters
    }
  }
}

locals {
  roles      = "arn:${local.partition}:iam::${local.account}:role${var.iam.path}"
  parameters = [for arn in var.secret_arns : arn if element(split(":", arn), 2) == "ssm"]
  secrets    = [for arn in var.secret_arns : arn if element(split(":", arn), 2) != "ssm"]
}

resource "aws_iam_role_policy" "execution" {
  name   = "execution"
  role   = aws_iam_role.execution.id
  policy = data.aws_iam_policy_document.execution.json
}

# What the job itself may do.
resource "aws_iam_role" "task" {
  name                 = "${var.name}-task-${local.region}"
  path                 = var.iam.path
  permissions_boundary = var.iam.permissions_boundary
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  tags                 = var.tags
}

resource "aws_iam_role_policy" "task" {
  for_each = var.task_policies

  name   = each.key
  role   = aws_iam_role.task.id
  policy = each.value
}

# What a dispatcher may do here, and nothing else: no other cluster, no other family, no other role.
data "aws_iam_policy_document" "dispatcher" {
  statement {
    sid       = "RunTasks"
    actions   = ["ecs:RunTask"]
    resources = ["${local.ecs}:task-definition/${var.name}-*:*"]

    condition {
      test     = "ArnEquals"
      variable = "ecs:cluster"
      values   = [local.cluster_arn]
    }
  }

  # A stopped task has no tags any more, so this one cannot ask for them.
  statement {
    sid       = "FollowTasks"
    actions   = ["ecs:DescribeTasks"]
    resources = ["${local.ecs}:task/${local.cluster_name}/*"]
  }

  # Only tasks that a dispatcher has started, in a cluster that others may share.
  statement {
    sid       = "StopTasks"
    actions   = ["ecs:StopTask"]
    resources = ["${local.ecs}:task/${local.cluster_name}/*"]

    condition {
      test     = "Null"
      variable = "aws:ResourceTag/push-dispatcher/run_id"
      values   = ["false"]
    }
  }

  statement {
    sid       = "FindTasks"
    actions   = ["ecs:ListTasks"]
    resources = ["${local.ecs}:container-instance/${local.cluster_name}/*"]

    condition {
      test     = "ArnEquals"
      variable = "ecs:cluster"
      values   = [local.cluster_arn]
    }
  }

  statement {
    sid       = "RegisterTaskDefinitions"
    actions   = ["ecs:RegisterTaskDefinition"]
    resources = ["${local.ecs}:task-definition/${var.name}-*:*"]
  }

  # AWS knows no narrower resource for this one.
  statement {
    sid       = "ReadTaskDefinitions"
    actions   = ["ecs:DescribeTaskDefinition"]
    resources = ["*"]
  }

  statement {
    sid     = "TagWhatIsMade"
    actions = ["ecs:TagResource"]
    resources = [
      "${local.ecs}:task/${local.cluster_name}/*",
      "${local.ecs}:task-definition/${var.name}-*:*",
    ]

    condition {
      test     = "StringEquals"
      variable = "ecs:CreateAction"
      values   = ["RunTask", "RegisterTaskDefinition"]
    }
  }

  statement {
    sid       = "GiveTasksTheirRoles"
    actions   = ["iam:PassRole"]
    resources = [for role in ["execution", "task"] : "${local.roles}${var.name}-${role}-${local.region}"]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["ecs-tasks.amazonaws.com"]
    }
  }

  # Nor for these two, which the default VPC is found with.
  dynamic "statement" {
    for_each = length(var.subnets) == 0 ? [1] : []
    content {
      sid       = "FindTheNetwork"
      actions   = ["ec2:DescribeSubnets", "ec2:DescribeVpcs"]
      resources = ["*"]
    }
  }
}

# Where `task_policies` calls it by the name that it had.
moved {
  from = aws_iam_role_policy.task[0]
  to   = aws_iam_role_policy.task["task"]
}
