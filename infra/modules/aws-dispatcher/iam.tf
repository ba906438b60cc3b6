# A role for the schedule and one for each function. No action stands with a wildcard, and no resource where AWS knows better.

locals {
  # IAM is global: two regions of one account have roles of their own.
  role_names = {
    for role, word in { schedule = "schedule", tick = "function", api = "api" } : role => "${var.name}-${word}-${local.region}"
    if role != "api" || var.api != null
  }
  given_role_arns = { schedule = var.schedule_role_arn, tick = var.function_role_arn, api = try(var.api.role_arn, null) }
  role_arns       = { for role in keys(local.role_names) : role => var.create_roles ? aws_iam_role.this[role].arn : local.given_role_arns[role] }
}

data "aws_iam_policy_document" "trust" {
  for_each = toset(["lambda", "scheduler"])

  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["${each.key}.amazonaws.com"]
    }

    dynamic "condition" {
      for_each = each.key == "scheduler" ? [1] : []
      content {
        test     = "StringEquals"
        variable = "aws:SourceAccount"
        values   = [local.account]
      }
    }
  }
}

resource "aws_iam_role" "this" {
  for_each = var.create_roles ? local.role_names : {}

  name                 = each.value
  path                 = var.iam.path
  permissions_boundary = var.iam.permissions_boundary
  assume_role_policy   = data.aws_iam_policy_document.trust[each.key == "schedule" ? "scheduler" : "lambda"].json
  tags                 = var.tags

  lifecycle {
    precondition {
      condition     = each.key == "api" || local.given_role_arns[each.key] == null
      error_message = "function_role_arn, schedule_role_arn: existing roles need create_roles = false."
    }
  }
}

# By role and by the name of the statement: what the role may do, and whether that is needed here.
locals {
  in_table      = var.store_secret_arn == null
  table_actions = ["dynamodb:BatchGetItem", "dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem"]

  of_all = {
    Key = { needed = var.kms_key_arn != null, actions = ["kms:Decrypt", "kms:GenerateDataKey"], resources = [var.kms_key_arn] }
  }

  of_functions = {
    for function, name in local.all_names : function => merge(local.of_all, {
      Logs  = { needed = true, actions = ["logs:CreateLogStream", "logs:PutLogEvents"], resources = ["${local.logs}:/aws/lambda/${name}:*"] }
      Store = { needed = !local.in_table, actions = ["secretsmanager:GetSecretValue"], resources = [var.store_secret_arn] }

      # AWS knows no narrower resource: https://docs.aws.amazon.com/xray/latest/devguide/security_iam_service-with-iam.html
      Traces = { needed = var.tracing, actions = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"], resources = ["*"] }

      # Nor here: https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-permissions
      Network = {
        needed = var.vpc != null
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
    })
  }

  rights = {
    schedule = merge(local.of_all, {
      StartTicks  = { needed = true, actions = ["lambda:InvokeFunction"], resources = [local.function_arns.tick] }
      DeadLetters = { needed = true, actions = ["sqs:SendMessage"], resources = [local.queue_arn] }
    })

    tick = merge(local.of_functions.tick, {
      DeadLetters = { needed = true, actions = ["sqs:SendMessage"], resources = [local.queue_arn] }
      Table       = { needed = local.in_table, actions = local.table_actions, resources = [local.table_arn] }
      Secrets = {
        needed    = length(var.secret_environment) > 0
        actions   = ["secretsmanager:GetSecretValue"]
        resources = sort(distinct(values(var.secret_environment)))
      }

      # Fan-out calls the function without a qualifier, so that this ARN is the one that AWS asks for.
      FanOut = {
        needed    = lookup(var.environment, "DISPATCHER_FAN_OUT", "") == "lambda"
        actions   = ["lambda:InvokeFunction"]
        resources = [local.function_arns.tick]
      }
    })

    # What people's commands need of the store. Jobs are started by ticks alone, and so are the rights to start them theirs.
    api = merge(local.of_functions.api, {
      Wake    = { needed = true, actions = ["lambda:InvokeFunction"], resources = [local.function_arns.tick] }
      Table   = { needed = local.in_table, actions = concat(local.table_actions, ["dynamodb:ConditionCheckItem"]), resources = [local.table_arn] }
      Listing = { needed = local.in_table, actions = ["dynamodb:Query"], resources = ["${local.table_arn}/index/listing"] }
    })
  }
}

data "aws_iam_policy_document" "this" {
  for_each = local.rights

  dynamic "statement" {
    for_each = { for name, right in each.value : name => right if right.needed }
    content {
      sid       = statement.key
      actions   = statement.value.actions
      resources = statement.value.resources
    }
  }
}

locals {
  # IAM counts no white space: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
  inline_size = sum([
    for policy in concat([data.aws_iam_policy_document.this["tick"].minified_json], values(var.policies)) :
    length(replace(policy, "/\\s/", ""))
  ])
}

resource "aws_iam_role_policy" "this" {
  for_each = aws_iam_role.this

  name   = each.key == "tick" ? "dispatcher" : each.key
  role   = each.value.id
  policy = data.aws_iam_policy_document.this[each.key].minified_json

  # Not of the role itself: pools in other accounts have to trust it before it can know of them.
  lifecycle {
    precondition {
      condition     = each.key != "tick" || length(var.pools) <= var.managed_policies_quota
      error_message = "pools: ${length(var.pools)} pools need as many managed policies, and a role takes ${var.managed_policies_quota}. Let pools that share a cluster and roles share an entry, or ask AWS for a higher quota and give managed_policies_quota."
    }

    precondition {
      condition     = each.key != "tick" || local.inline_size <= 10240
      error_message = "policies: with the dispatcher's own they come to ${local.inline_size} characters, and a role takes 10,240. Merge statements, or attach a managed policy to the role."
    }
  }
}

# A managed policy for each pool: inline policies share 10,240 characters, which are used up by six pools.
resource "aws_iam_policy" "pools" {
  for_each = var.create_roles ? var.pools : {}

  name        = "${local.role_names.tick}-pool-${each.key}"
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

  role       = aws_iam_role.this["tick"].name
  policy_arn = each.value.arn
}

resource "aws_iam_role_policy" "further" {
  for_each = var.create_roles ? var.policies : {}

  name   = each.key
  role   = aws_iam_role.this["tick"].id
  policy = each.value
}

# What callers of the API need: to call the URL, and the function through it alone. Whoever may invoke it directly can make up who calls.
# https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html
data "aws_iam_policy_document" "api_callers" {
  statement {
    sid       = "CallTheUrl"
    actions   = ["lambda:InvokeFunctionUrl"]
    resources = [local.function_arns.api]

    condition {
      test     = "StringEquals"
      variable = "lambda:FunctionUrlAuthType"
      values   = ["AWS_IAM"]
    }
  }

  statement {
    sid       = "ThroughTheUrl"
    actions   = ["lambda:InvokeFunction"]
    resources = [local.function_arns.api]

    condition {
      test     = "Bool"
      variable = "lambda:InvokedViaFunctionUrl"
      values   = ["true"]
    }
  }
}
