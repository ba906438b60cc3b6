# push-dispatcher on AWS: the function, its schedule, its table, and what reports that something is wrong.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.id
  account   = data.aws_caller_identity.current.account_id

  # ARNs are made up from names, so that policies are known, and their sizes checked, before anything is made.
  table_name   = coalesce(var.table_name, var.name)
  table_arn    = "arn:${local.partition}:dynamodb:${local.region}:${local.account}:table/${local.table_name}"
  queue_arn    = "arn:${local.partition}:sqs:${local.region}:${local.account}:${var.name}-dead-letters"
  log_arn      = "arn:${local.partition}:logs:${local.region}:${local.account}:log-group:/aws/lambda/${var.name}"
  function_arn = "arn:${local.partition}:lambda:${local.region}:${local.account}:function:${var.name}"

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

resource "aws_cloudwatch_log_group" "this" {
  name              = "/aws/lambda/${var.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
  tags              = var.tags
}

resource "aws_lambda_function" "this" {
  function_name                  = var.name
  description                    = "Dispatches what is due"
  role                           = local.function_role_arn
  filename                       = local.in_s3 ? null : var.package
  s3_bucket                      = var.s3_bucket
  s3_key                         = var.s3_key
  source_code_hash               = local.package_hash
  handler                        = "dispatcher.functions.aws_lambda.handler"
  runtime                        = var.runtime
  architectures                  = [var.architecture]
  memory_size                    = var.memory_size
  timeout                        = var.timeout
  reserved_concurrent_executions = var.reserved_concurrent_executions
  kms_key_arn                    = var.kms_key_arn
  tags                           = var.tags

  environment {
    variables = local.environment
  }

  # Text is what a function has without this block.
  dynamic "logging_config" {
    for_each = var.log_format == "Text" ? [] : [var.log_format]
    content {
      log_format = logging_config.value
    }
  }

  tracing_config {
    mode = var.tracing ? "Active" : "PassThrough"
  }

  dynamic "vpc_config" {
    for_each = var.vpc == null ? [] : [var.vpc]
    content {
      subnet_ids         = vpc_config.value.subnet_ids
      security_group_ids = vpc_config.value.security_group_ids
    }
  }

  lifecycle {
    precondition {
      condition     = local.in_s3 ? var.s3_bucket != null && var.s3_key != null : var.package != null
      error_message = "package: give the path of the zip, or in s3_bucket and s3_key an object that holds it."
    }

    precondition {
      condition     = var.create_table || var.table_name != null || var.store_secret_arn != null
      error_message = "create_table: without a table of the module's, name one in table_name, or a secret with the address of a PostgreSQL in store_secret_arn."
    }

    precondition {
      condition     = !(var.create_table && var.store_secret_arn != null)
      error_message = "store_secret_arn: the state is in that PostgreSQL, so there is no table to make: give create_table = false."
    }
  }

  depends_on = [aws_cloudwatch_log_group.this, aws_iam_role_policy.function, aws_iam_role_policy_attachment.pools, aws_iam_role_policy.further]
}

# A tick that was missed is made up by the next one; to repeat it later helps nobody.
resource "aws_lambda_function_event_invoke_config" "this" {
  function_name                = aws_lambda_function.this.function_name
  maximum_retry_attempts       = 0
  maximum_event_age_in_seconds = 60

  destination_config {
    on_failure {
      destination = aws_sqs_queue.dead_letters.arn
    }
  }
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
    arn      = aws_lambda_function.this.arn
    role_arn = local.schedule_role_arn
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
  arn  = aws_lambda_function.this.arn

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
  function_name = aws_lambda_function.this.function_name
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.tasks[0].arn
}

# Whoever has given a pool work may have it ticked at once, and nothing else.
resource "aws_lambda_permission" "wakers" {
  for_each = var.wakers

  statement_id  = "Wake-${each.key}"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.this.function_name
  principal     = each.value
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
    aws_cloudwatch_log_group.api,
    aws_cloudwatch_log_group.this,
    aws_cloudwatch_log_metric_filter.problems,
    aws_cloudwatch_metric_alarm.this,
    aws_dynamodb_table.this,
    aws_iam_policy.pools,
    aws_iam_role.api,
    aws_iam_role.function,
    aws_iam_role.schedule,
    aws_iam_role_policy.api,
    aws_iam_role_policy.function,
    aws_iam_role_policy.further,
    aws_iam_role_policy.schedule,
    aws_iam_role_policy_attachment.pools,
    aws_lambda_function.api,
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
