# Two roles: one for the schedule, one for the function. No action stands with a wildcard, and no resource where AWS knows better.

locals {
  # IAM is global: two regions of one account have roles of their own.
  schedule_role = "${var.name}-schedule-${local.region}"
  function_role = "${var.name}-function-${local.region}"

  schedule_role_arn = var.create_roles ? aws_iam_role.schedule[0].arn : var.schedule_role_arn
  function_role_arn = var.create_roles ? aws_iam_role.function[0].arn : var.function_role_arn
}

data "aws_iam_policy_document" "schedule_trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["scheduler.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
}

resource "aws_iam_role" "schedule" {
  count = var.create_roles ? 1 : 0

  name                 = local.schedule_role
  path                 = var.iam.path
  permissions_boundary = var.iam.permissions_boundary
  assume_role_policy   = data.aws_iam_policy_document.schedule_trust.json
  tags                 = var.tags

  lifecycle {
    precondition {
      condition     = var.function_role_arn == null && var.schedule_role_arn == null
      error_message = "function_role_arn, schedule_role_arn: existing roles need create_roles = false."
    }
  }
}

data "aws_iam_policy_document" "schedule" {
  statement {
    sid       = "StartTicks"
    actions   = ["lambda:InvokeFunction"]
    resources = [local.function_arn]
  }

  statement {
    sid       = "DeadLetters"
    actions   = ["sqs:SendMessage"]
    resources = [local.queue_arn]
  }

  dynamic "statement" {
    for_each = var.kms_key_arn == null ? [] : [1]
    content {
      sid       = "Key"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = [var.kms_key_arn]
    }
  }
}

resource "aws_iam_role_policy" "schedule" {
  count = var.create_roles ? 1 : 0

  name   = "schedule"
  role   = aws_iam_role.schedule[0].id
  policy = data.aws_iam_policy_document.schedule.minified_json
}

data "aws_iam_policy_document" "function_trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "function" {
  count = var.create_roles ? 1 : 0

  name                 = local.function_role
  path                 = var.iam.path
  permissions_boundary = var.iam.permissions_boundary
  assume_role_policy   = data.aws_iam_policy_document.function_trust.json
  tags                 = var.tags
}

# What the function of ticks and that of the API both need.
data "aws_iam_policy_document" "functions" {
  dynamic "statement" {
    for_each = var.store_secret_arn == null ? [] : [1]
    content {
      sid       = "Store"
      actions   = ["secretsmanager:GetSecretValue"]
      resources = [var.store_secret_arn]
    }
  }

  dynamic "statement" {
    for_each = var.kms_key_arn == null ? [] : [1]
    content {
      sid       = "Key"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = [var.kms_key_arn]
    }
  }

  # AWS knows no narrower resource: https://docs.aws.amazon.com/xray/latest/devguide/security_iam_service-with-iam.html
  # https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-permissions
  dynamic "statement" {
    for_each = var.vpc == null ? [] : [1]
    content {
      sid = "Network"
      actions = [
        "ec2:AssignPrivateIpAddresses",
        "ec2:CreateNetworkInterface",
        "ec2:DeleteNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
        "ec2:UnassignPrivateIpAddresses",
      ]
      resources = ["*"]
    }
  }
}

data "aws_iam_policy_document" "function" {
  source_policy_documents = [data.aws_iam_policy_document.functions.json]

  statement {
    sid       = "Logs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${local.log_arn}:*"]
  }

  statement {
    sid       = "DeadLetters"
    actions   = ["sqs:SendMessage"]
    resources = [local.queue_arn]
  }

  dynamic "statement" {
    for_each = var.store_secret_arn == null ? [1] : []
    content {
      sid = "Table"
      actions = [
        "dynamodb:BatchGetItem",
        "dynamodb:DeleteItem",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:Query",
        "dynamodb:UpdateItem",
      ]
      resources = [local.table_arn]
    }
  }

  dynamic "statement" {
    for_each = length(var.secret_environment) == 0 ? [] : [1]
    content {
      sid       = "Secrets"
      actions   = ["secretsmanager:GetSecretValue"]
      resources = sort(distinct(values(var.secret_environment)))
    }
  }

  # Fan-out calls the function without a qualifier, so that this ARN is the one that AWS asks for.
  dynamic "statement" {
    for_each = lookup(var.environment, "DISPATCHER_FAN_OUT", "") == "lambda" ? [1] : []
    content {
      sid       = "FanOut"
      actions   = ["lambda:InvokeFunction"]
      resources = [local.function_arn]
    }
  }

  # AWS knows no narrower resource: https://docs.aws.amazon.com/xray/latest/devguide/security_iam_service-with-iam.html
  dynamic "statement" {
    for_each = var.tracing ? [1] : []
    content {
      sid       = "Traces"
      actions   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
      resources = ["*"]
    }
  }
}

locals {
  # IAM counts no white space: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
  inline_size = sum([
    for policy in concat([data.aws_iam_policy_document.function.minified_json], values(var.policies)) :
    length(replace(policy, "/\\s/", ""))
  ])
}

resource "aws_iam_role_policy" "function" {
  count = var.create_roles ? 1 : 0

  name   = "dispatcher"
  role   = aws_iam_role.function[0].id
  policy = data.aws_iam_policy_document.function.minified_json

  # Not of the role itself: pools in other accounts have to trust it before it can know of them.
  lifecycle {
    precondition {
      condition     = length(var.pools) <= var.managed_policies_quota
      error_message = "pools: ${length(var.pools)} pools need as many managed policies, and a role takes ${var.managed_policies_quota}. Let pools that share a cluster and roles share an entry, or have the quota raised and give managed_policies_quota."
    }

    precondition {
      condition     = local.inline_size <= 10240
      error_message = "policies: with the dispatcher's own they come to ${local.inline_size} characters, and a role takes 10,240. Merge statements, or attach a managed policy to the role."
    }
  }
}

# A managed policy for each pool: inline policies share 10,240 characters, which are used up by six pools.
resource "aws_iam_policy" "pools" {
  for_each = var.create_roles ? var.pools : {}

  name        = "${local.function_role}-pool-${each.key}"
  path        = var.iam.path
  description = "What ${var.name} may do in its pool ${each.key}"
  policy      = each.value.policy
  tags        = var.tags

  lifecycle {
    precondition {
      condition     = length(replace(each.value.policy, "/\\s/", "")) <= 6144
      error_message = "pools: the policy of ${each.key} has ${length(replace(each.value.policy, "/\\s/", ""))} characters, and a managed policy takes 6,144."
    }
  }
}

resource "aws_iam_role_policy_attachment" "pools" {
  for_each = aws_iam_policy.pools

  role       = aws_iam_role.function[0].name
  policy_arn = each.value.arn
}

resource "aws_iam_role_policy" "further" {
  for_each = var.create_roles ? var.policies : {}

  name   = each.key
  role   = aws_iam_role.function[0].id
  policy = each.value
}

moved {
  from = aws_iam_role.schedule
  to   = aws_iam_role.schedule[0]
}

moved {
  from = aws_iam_role.function
  to   = aws_iam_role.function[0]
}

moved {
  from = aws_iam_role_policy.schedule
  to   = aws_iam_role_policy.schedule[0]
}

moved {
  from = aws_iam_role_policy.function
  to   = aws_iam_role_policy.function[0]
}
