# push-dispatcher on AWS: the table, the schedule, the rule for ends of tasks, and the queue of what failed.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.id
  account   = data.aws_caller_identity.current.account_id

  # ARNs are made up from names, so that policies are known, and their sizes checked, before anything is made.
  table_name = coalesce(var.table_name, var.name)
  table_arn  = "arn:${local.partition}:dynamodb:${local.region}:${local.account}:table/${local.table_name}"
  queue_arn  = "arn:${local.partition}:sqs:${local.region}:${local.account}:${var.name}-dead-letters"
  lambda     = "arn:${local.partition}:lambda:${local.region}:${local.account}:function"
  logs       = "arn:${local.partition}:logs:${local.region}:${local.account}:log-group"

  # Pools of other clouds have no tasks whose state changes ECS reports.
  state_changes = var.state_changes && length(var.pools) > 0
}

# The state of every run. Its keys are those that `dispatcher store migrate print` shows.
resource "aws_dynamodb_table" "this" {
  count = var.create_table ? 1 : 0

  name                        = local.table_name
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "pk"
  range_key                   = "sk"
  deletion_protection_enabled = var.deletion_protection
  tags                        = var.tags

  dynamic "attribute" {
    for_each = toset(["pk", "sk", "pool", "listed"])
    content {
      name = attribute.value
      type = "S"
    }
  }

  global_secondary_index {
    name               = "listing"
    hash_key           = "pool"
    range_key          = "listed"
    projection_type    = "INCLUDE"
    non_key_attributes = ["queue", "deployment", "state"]
  }

  ttl {
    attribute_name = "expires_at"
    enabled        = true
  }

  point_in_time_recovery {
    enabled = true
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = var.kms_key_arn
  }
}

resource "aws_sqs_queue" "dead_letters" {
  name                      = "${var.name}-dead-letters"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = var.kms_key_arn == null ? true : null
  kms_master_key_id         = var.kms_key_arn
  tags                      = var.tags
}

# A group of its own, because EventBridge Scheduler counts by group.
resource "aws_scheduler_schedule_group" "this" {
  name = var.name
  tags = var.tags
}

resource "aws_scheduler_schedule" "this" {
  name                = var.name
  group_name          = aws_scheduler_schedule_group.this.name
  description         = "Dispatches what is due"
  schedule_expression = var.interval_minutes == 1 ? "rate(1 minute)" : "rate(${var.interval_minutes} minutes)"
  state               = var.schedule_enabled ? "ENABLED" : "DISABLED"
  kms_key_arn         = var.kms_key_arn

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = aws_lambda_function.this["tick"].arn
    role_arn = local.role_arns.schedule
    input    = jsonencode({ source = "aws.scheduler", detail-type = "Scheduled Event" })

    retry_policy {
      maximum_retry_attempts       = 0
      maximum_event_age_in_seconds = 60
    }

    dead_letter_config {
      arn = aws_sqs_queue.dead_letters.arn
    }
  }
}

# The end of a task frees its slot at once, and the next run is admitted.
resource "aws_cloudwatch_event_rule" "tasks" {
  count = local.state_changes ? 1 : 0

  name        = "${var.name}-tasks"
  description = "State changes of the tasks that the dispatcher has started"
  tags        = var.tags

  event_pattern = jsonencode({
    source      = ["aws.ecs"]
    detail-type = ["ECS Task State Change"]
    detail = {
      clusterArn = distinct([for pool in values(var.pools) : pool.cluster_arn])
      lastStatus = ["RUNNING", "STOPPED"]
      startedBy  = [{ prefix = "r" }]
    }
  })
}

# Pools in other accounts forward theirs to this account's own bus, where the rule finds them.
resource "aws_cloudwatch_event_permission" "pools" {
  for_each = var.pool_accounts

  statement_id = "${var.name}-${each.key}"
  principal    = each.value
}

resource "aws_cloudwatch_event_target" "tasks" {
  count = local.state_changes ? 1 : 0

  rule = aws_cloudwatch_event_rule.tasks[0].name
  arn  = aws_lambda_function.this["tick"].arn

  retry_policy {
    maximum_retry_attempts       = 0
    maximum_event_age_in_seconds = 60
  }

  dead_letter_config {
    arn = aws_sqs_queue.dead_letters.arn
  }
}

# EventBridge has no role for this target, so the queue itself lets the rule in.
data "aws_iam_policy_document" "dead_letters" {
  count = local.state_changes ? 1 : 0

  statement {
    sid       = "TaskStateChanges"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.dead_letters.arn]

    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [aws_cloudwatch_event_rule.tasks[0].arn]
    }
  }
}

resource "aws_sqs_queue_policy" "dead_letters" {
  count = local.state_changes ? 1 : 0

  queue_url = aws_sqs_queue.dead_letters.url
  policy    = data.aws_iam_policy_document.dead_letters[0].json
}

resource "aws_lambda_permission" "tasks" {
  count = local.state_changes ? 1 : 0

  statement_id  = "TaskStateChanges"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.this["tick"].function_name
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.tasks[0].arn
}

# Everything in this module is older than this, so a destroy of the module begins with it: while the table is protected, it ends here.
# Pools that stand beside the module are destroyed at the same time.
resource "terraform_data" "protection" {
  count = var.create_table ? 1 : 0

  input = var.deletion_protection

  provisioner "local-exec" {
    when    = destroy
    command = "if [ '${self.input}' = true ]; then echo 'deletion_protection: the table with the state of every run is protected. Nothing of the dispatcher was removed. Apply with deletion_protection = false first.' >&2; exit 1; fi"
  }

  depends_on = [
    aws_cloudwatch_dashboard.this,
    aws_cloudwatch_event_permission.pools,
    aws_cloudwatch_event_rule.tasks,
    aws_cloudwatch_event_target.tasks,
    aws_cloudwatch_log_group.this,
    aws_cloudwatch_log_metric_filter.problems,
    aws_cloudwatch_metric_alarm.this,
    aws_dynamodb_table.this,
    aws_iam_policy.pools,
    aws_iam_role.this,
    aws_iam_role_policy.further,
    aws_iam_role_policy.this,
    aws_iam_role_policy_attachment.pools,
    aws_lambda_function.this,
    aws_lambda_function_event_invoke_config.this,
    aws_lambda_function_url.api,
    aws_lambda_permission.tasks,
    aws_lambda_permission.wakers,
    aws_scheduler_schedule.this,
    aws_scheduler_schedule_group.this,
    aws_sqs_queue.dead_letters,
    aws_sqs_queue_policy.dead_letters,
  ]
}
