# The HTTP API, where it is asked for: a function of its own behind a URL that IAM guards, with rights on the store and none on jobs.

locals {
  api_name     = "${var.name}-api"
  api_arn      = "arn:${local.partition}:lambda:${local.region}:${local.account}:function:${local.api_name}"
  api_log_arn  = "arn:${local.partition}:logs:${local.region}:${local.account}:log-group:/aws/lambda/${local.api_name}"
  api_role_arn = var.create_roles ? one(aws_iam_role.api[*].arn) : try(var.api.role_arn, null)

  # Secrets of hooks and of Prefect are for ticks.
  api_environment = merge(
    { for name, value in local.environment : name => value if name != "DISPATCHER_SECRET_ENVIRONMENT" },
    { DISPATCHER_WAKE = local.function_arn },
    length(try(var.api.editors, [])) == 0 ? {} : { DISPATCHER_UI_EDITORS = join(",", var.api.editors) },
  )
}

resource "aws_cloudwatch_log_group" "api" {
  count = var.api == null ? 0 : 1

  name              = "/aws/lambda/${local.api_name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
  tags              = var.tags
}

resource "aws_lambda_function" "api" {
  count = var.api == null ? 0 : 1

  function_name                  = local.api_name
  description                    = "The HTTP API of ${var.name}"
  role                           = local.api_role_arn
  filename                       = local.in_s3 ? null : try(coalesce(var.api.package, var.package), null)
  s3_bucket                      = var.s3_bucket
  s3_key                         = local.in_s3 ? try(coalesce(var.api.s3_key, var.s3_key), null) : null
  source_code_hash               = var.api.package_sha256 != null ? var.api.package_sha256 : local.in_s3 ? null : try(filebase64sha256(coalesce(var.api.package, var.package)), null)
  handler                        = "dispatcher.functions.aws_lambda_api.handler"
  runtime                        = var.runtime
  architectures                  = [var.architecture]
  memory_size                    = var.api.memory_size
  timeout                        = 30
  reserved_concurrent_executions = var.api.reserved_concurrent_executions
  kms_key_arn                    = var.kms_key_arn
  tags                           = var.tags

  environment {
    variables = local.api_environment
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
      condition     = var.create_roles == (var.api.role_arn == null)
      error_message = "api.role_arn: an existing role needs create_roles = false, and that needs an existing role, with the output api_function_policy."
    }
  }

  depends_on = [aws_cloudwatch_log_group.api, aws_iam_role_policy.api]
}

# Without IAM's check nobody is believed: the function answers 401 to whoever comes without a signature.
resource "aws_lambda_function_url" "api" {
  count = var.api == null ? 0 : 1

  function_name      = aws_lambda_function.api[0].function_name
  authorization_type = "AWS_IAM"
  invoke_mode        = "BUFFERED"
}

resource "aws_iam_role" "api" {
  count = var.api != null && var.create_roles ? 1 : 0

  name                 = "${var.name}-api-${local.region}"
  path                 = var.iam.path
  permissions_boundary = var.iam.permissions_boundary
  assume_role_policy   = data.aws_iam_policy_document.function_trust.json
  tags                 = var.tags
}

resource "aws_iam_role_policy" "api" {
  count = var.api != null && var.create_roles ? 1 : 0

  name   = "api"
  role   = aws_iam_role.api[0].id
  policy = data.aws_iam_policy_document.api.minified_json
}

# What people's commands need of the store. Jobs are started by ticks alone, and so are the rights to start them theirs.
data "aws_iam_policy_document" "api" {
  source_policy_documents = [data.aws_iam_policy_document.functions.json]

  statement {
    sid       = "Logs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${local.api_log_arn}:*"]
  }

  statement {
    sid       = "Wake"
    actions   = ["lambda:InvokeFunction"]
    resources = [local.function_arn]
  }

  dynamic "statement" {
    for_each = var.store_secret_arn == null ? [1] : []
    content {
      sid = "Table"
      actions = [
        "dynamodb:BatchGetItem",
        "dynamodb:ConditionCheckItem",
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
    for_each = var.store_secret_arn == null ? [1] : []
    content {
      sid       = "Listing"
      actions   = ["dynamodb:Query"]
      resources = ["${local.table_arn}/index/listing"]
    }
  }
}

# What callers need: to call the URL, and the function through it alone. Whoever may invoke it directly can make up who calls.
# https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html
data "aws_iam_policy_document" "api_callers" {
  statement {
    sid       = "CallTheUrl"
    actions   = ["lambda:InvokeFunctionUrl"]
    resources = [local.api_arn]

    condition {
      test     = "StringEquals"
      variable = "lambda:FunctionUrlAuthType"
      values   = ["AWS_IAM"]
    }
  }

  statement {
    sid       = "ThroughTheUrl"
    actions   = ["lambda:InvokeFunction"]
    resources = [local.api_arn]

    condition {
      test     = "Bool"
      variable = "lambda:InvokedViaFunctionUrl"
      values   = ["true"]
    }
  }
}
