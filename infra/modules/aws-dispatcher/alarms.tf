# A single tick that fails is made up by the next one; several mean that nothing is dispatched.
resource "aws_cloudwatch_metric_alarm" "ticks_fail" {
  alarm_name          = "${var.name}-ticks-fail"
  alarm_description   = "Ticks fail, see the log of the function"
  namespace           = "AWS/Lambda"
  metric_name         = "Errors"
  dimensions          = { FunctionName = aws_lambda_function.this.function_name }
  statistic           = "Sum"
  period              = 60
  evaluation_periods  = 5
  datapoints_to_alarm = 3
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_actions
  ok_actions          = var.alarm_actions
  tags                = var.tags
}

# No tick at all within ten minutes: the schedule is gone, or may not start the function.
resource "aws_cloudwatch_metric_alarm" "no_ticks" {
  alarm_name          = "${var.name}-no-ticks"
  alarm_description   = "Nothing ticks, see the schedule and its role"
  namespace           = "AWS/Lambda"
  metric_name         = "Invocations"
  dimensions          = { FunctionName = aws_lambda_function.this.function_name }
  statistic           = "Sum"
  period              = 600
  evaluation_periods  = 1
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  treat_missing_data  = "breaching"
  alarm_actions       = var.alarm_actions
  ok_actions          = var.alarm_actions
  tags                = var.tags
}

# Invocations that Lambda refused: the account, or `reserved_concurrent_executions`, is used up.
resource "aws_cloudwatch_metric_alarm" "throttled" {
  alarm_name          = "${var.name}-throttled"
  alarm_description   = "Lambda refuses invocations, see the concurrency of the account and of the function"
  namespace           = "AWS/Lambda"
  metric_name         = "Throttles"
  dimensions          = { FunctionName = aws_lambda_function.this.function_name }
  statistic           = "Sum"
  period              = 60
  evaluation_periods  = 5
  datapoints_to_alarm = 3
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_actions
  ok_actions          = var.alarm_actions
  tags                = var.tags
}

# A pool whose tick was cut short, as by a right that is missing, or an invocation that fan-out could not start.
resource "aws_cloudwatch_log_metric_filter" "problems" {
  name           = "${var.name}-problems"
  log_group_name = aws_cloudwatch_log_group.this.name
  pattern        = "?\"pool.problem\" ?\"pool.not_invoked\""

  metric_transformation {
    namespace = "PushDispatcher"
    name      = "${var.name}-problems"
    value     = "1"
  }
}

resource "aws_cloudwatch_metric_alarm" "problems" {
  alarm_name          = "${var.name}-problems"
  alarm_description   = "A pool cannot be ticked, see pool.problem and pool.not_invoked in the log of the function"
  namespace           = "PushDispatcher"
  metric_name         = aws_cloudwatch_log_metric_filter.problems.metric_transformation[0].name
  statistic           = "Sum"
  period              = 60
  evaluation_periods  = 5
  datapoints_to_alarm = 3
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_actions
  ok_actions          = var.alarm_actions
  tags                = var.tags
}
