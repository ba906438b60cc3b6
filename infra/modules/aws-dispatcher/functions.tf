# The functions: `tick`, and `api` where it is asked for. They are made alike; what they do not share stands in local.functions.

module "settings" {
  source = "../settings"

  environment      = var.environment
  managed          = var.managed
  prefect          = var.prefect
  timeout          = var.timeout
  interval_minutes = var.interval_minutes
}

locals {
  # Those of the API are known where there is none, too: outputs show its policies in any case.
  all_names     = { tick = var.name, api = "${var.name}-api" }
  names         = { for function, name in local.all_names : function => name if function == "tick" || var.api != null }
  function_arns = { for function, name in local.all_names : function => "${local.lambda}:${name}" }

  in_s3 = var.s3_bucket != null || var.s3_key != null
  store = var.store_secret_arn == null ? "dynamodb://${local.table_name}?region=${local.region}" : null

  environment = merge(
    module.settings.environment,
    { for name, value in { DISPATCHER_STORE = local.store, DISPATCHER_STORE_SECRET = var.store_secret_arn } : name => value if value != null },
  )

  functions = merge(
    {
      tick = {
        description                    = "Dispatches what is due"
        handler                        = "dispatcher.functions.aws_lambda.handler"
        package                        = var.package
        package_sha256                 = var.package_sha256
        s3_key                         = var.s3_key
        memory_size                    = var.memory_size
        timeout                        = var.timeout
        reserved_concurrent_executions = var.reserved_concurrent_executions
        environment = merge(
          local.environment,
          length(var.secret_environment) == 0 ? {} : { DISPATCHER_SECRET_ENVIRONMENT = jsonencode(var.secret_environment) },
        )
      }
    },
    {
      # A function of its own behind a URL that IAM guards. Secrets of hooks and of Prefect are for ticks.
      for function, api in { api       = var.api } : function => {
        description                    = "The HTTP API of ${var.name}"
        handler                        = "dispatcher.functions.aws_lambda_api.handler"
        package                        = try(coalesce(api.package, var.package), null)
        package_sha256                 = api.package_sha256
        s3_key                         = local.in_s3 ? try(coalesce(api.s3_key, var.s3_key), null) : null
        memory_size                    = api.memory_size
        timeout                        = 30
        reserved_concurrent_executions = api.reserved_concurrent_executions
        environment = merge(
          local.environment,
          { DISPATCHER_WAKE = local.function_arns.tick },
          length(api.editors) == 0 ? {} : { DISPATCHER_UI_EDITORS = join(",", api.editors) },
        )
      } if api != null
    },
  )
}

resource "aws_cloudwatch_log_group" "this" {
  for_each = local.names

  name              = "/aws/lambda/${each.value}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
  tags              = var.tags
}

resource "aws_lambda_function" "this" {
  for_each = local.functions

  function_name                  = local.names[each.key]
  description                    = each.value.description
  role                           = local.role_arns[each.key]
  filename                       = local.in_s3 ? null : each.value.package
  s3_bucket                      = var.s3_bucket
  s3_key                         = each.value.s3_key
  handler                        = each.value.handler
  runtime                        = var.runtime
  architectures                  = [var.architecture]
  memory_size                    = each.value.memory_size
  timeout                        = each.value.timeout
  reserved_concurrent_executions = each.value.reserved_concurrent_executions
  kms_key_arn                    = var.kms_key_arn
  tags                           = var.tags

  # A zip that was removed since changes nothing: a plan or a destroy needs none.
  source_code_hash = each.value.package_sha256 != null || local.in_s3 ? each.value.package_sha256 : try(filebase64sha256(each.value.package), null)

  environment {
    variables = each.value.environment
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
      condition     = local.in_s3 ? var.s3_bucket != null && each.value.s3_key != null : each.value.package != null
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

    precondition {
      condition     = each.key != "api" || var.create_roles == (try(var.api.role_arn, null) == null)
      error_message = "api.role_arn: an existing role needs create_roles = false, and that needs an existing role, with the output api_function_policy."
    }
  }

  depends_on = [aws_cloudwatch_log_group.this, aws_iam_role_policy.this, aws_iam_role_policy_attachment.pools, aws_iam_role_policy.further]
}

# Without IAM's check nobody is believed: the function answers 401 to whoever comes without a signature.
resource "aws_lambda_function_url" "api" {
  count = var.api == null ? 0 : 1

  function_name      = aws_lambda_function.this["api"].function_name
  authorization_type = "AWS_IAM"
  invoke_mode        = "BUFFERED"
}

# A tick that was missed is made up by the next one; to repeat it later helps nobody.
resource "aws_lambda_function_event_invoke_config" "this" {
  function_name                = aws_lambda_function.this["tick"].function_name
  maximum_retry_attempts       = 0
  maximum_event_age_in_seconds = 60

  destination_config {
    on_failure {
      destination = aws_sqs_queue.dead_letters.arn
    }
  }
}

# Whoever has given a pool work may have it ticked at once, and nothing else.
resource "aws_lambda_permission" "wakers" {
  for_each = var.wakers

  statement_id  = "Wake-${each.key}"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.this["tick"].function_name
  principal     = each.value
}
