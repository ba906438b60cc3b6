# For a dispatcher in another account: a role that its function assumes, and the tasks' state changes on its event bus.

locals {
  elsewhere = var.dispatcher == null ? {} : { this = var.dispatcher }

  # Known before the role is made, so that the function's policy is known, too.
  dispatcher_role     = "${var.name}-dispatcher-${local.region}"
  dispatcher_role_arn = "${local.roles}${local.dispatcher_role}"
}

data "aws_iam_policy_document" "dispatcher_trust" {
  for_each = local.elsewhere

  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "AWS"
      identifiers = [each.value.function_role_arn]
    }
  }
}

resource "aws_iam_role" "dispatcher" {
  for_each = local.elsewhere

  name                 = local.dispatcher_role
  path                 = var.iam.path
  permissions_boundary = var.iam.permissions_boundary
  assume_role_policy   = data.aws_iam_policy_document.dispatcher_trust[each.key].json
  tags                 = var.tags
}

resource "aws_iam_role_policy" "dispatcher" {
  for_each = local.elsewhere

  name   = "dispatcher"
  role   = aws_iam_role.dispatcher[each.key].id
  policy = data.aws_iam_policy_document.dispatcher.minified_json
}

# What the function itself needs then: nothing but to become that role.
data "aws_iam_policy_document" "become" {
  statement {
    sid       = "BecomeTheDispatcherOfThePool"
    actions   = ["sts:AssumeRole"]
    resources = [local.dispatcher_role_arn]
  }
}

data "aws_iam_policy_document" "forward_trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
}

resource "aws_iam_role" "forward" {
  for_each = local.elsewhere

  name                 = "${var.name}-forward-${local.region}"
  path                 = var.iam.path
  permissions_boundary = var.iam.permissions_boundary
  assume_role_policy   = data.aws_iam_policy_document.forward_trust.json
  tags                 = var.tags
}

data "aws_iam_policy_document" "forward" {
  for_each = local.elsewhere

  statement {
    sid       = "StateChanges"
    actions   = ["events:PutEvents"]
    resources = [each.value.event_bus_arn]
  }
}

resource "aws_iam_role_policy" "forward" {
  for_each = local.elsewhere

  name   = "forward"
  role   = aws_iam_role.forward[each.key].id
  policy = data.aws_iam_policy_document.forward[each.key].minified_json
}

resource "aws_cloudwatch_event_rule" "tasks" {
  for_each = local.elsewhere

  name        = "${var.name}-tasks"
  description = "State changes of the dispatcher's tasks, for the account that it is in"
  tags        = var.tags

  event_pattern = jsonencode({
    source      = ["aws.ecs"]
    detail-type = ["ECS Task State Change"]
    detail = {
      clusterArn = [local.cluster_arn]
      lastStatus = ["RUNNING", "STOPPED"]
      startedBy  = [{ prefix = "r" }]
    }
  })
}

resource "aws_cloudwatch_event_target" "tasks" {
  for_each = local.elsewhere

  rule     = aws_cloudwatch_event_rule.tasks[each.key].name
  arn      = each.value.event_bus_arn
  role_arn = aws_iam_role.forward[each.key].arn
}
