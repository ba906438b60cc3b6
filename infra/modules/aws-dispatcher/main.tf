# push-dispatcher on AWS: the function, its schedule, its table, and what tells that something is wrong.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  # Other clouds' pools have no tasks that ECS tells of.
  state_changes = var.state_changes && length(var.pools) > 0

  store = "dynamodb://${aws_dynamodb_table.this.name}?region=${data.aws_region.current.name}"

  # Known before the function is made, so that its role can be, too.
  function_arn = join(":", [
    "arn", data.aws_partition.current.partition, "lambda", data.aws_region.current.name,
    data.aws_caller_identity.current.account_id, "function", var.name,
  ])
}

# The state of every run. Its keys are those that `dispatcher store migrate print` shows.
resource "aws_dynamodb_table" "this" {
  name                        = var.name
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
    enabled = true
  }
}

resource "aws_sqs_queue" "dead_letters" {
  name                      = "${var.name}-dead-letters"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
  tags                      = var.tags
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/aws/lambda/${var.name}"
  retention_in_days = var.log_retention_days
  tags              = var.tags
}

resource "aws_lambda_function" "this" {
  function_name                  = var.name
  description                    = "Dispatches what is due"
  role                           = aws_iam_role.function.arn
  filename                       = var.package
  source_code_hash               = filebase64sha256(var.package)
  handler                        = "dispatcher.functions.aws_lambda.handler"
  runtime                        = var.runtime
  architectures                  = [var.architecture]
  memory_size                    = var.memory_size
  timeout                        = var.timeout
  reserved_concurrent_executions = var.reserved_concurrent_executions
  tags                           = var.tags

  environment {
    variables = merge(var.environment, { DISPATCHER_STORE = local.store })
  }

  depends_on = [aws_cloudwatch_log_group.this, aws_iam_role_policy.function, aws_iam_role_policy.pools, aws_iam_role_policy.further]
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

resource "aws_scheduler_schedule" "this" {
  name                = var.name
  description         = "Dispatches what is due"
  schedule_expression = var.schedule_expression

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = aws_lambda_function.this.arn
    role_arn = aws_iam_role.schedule.arn
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
