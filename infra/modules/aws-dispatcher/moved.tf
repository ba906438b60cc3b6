# What the modules of 0.1 have made is taken over under the addresses of now.

moved {
  from = aws_cloudwatch_log_group.this
  to   = aws_cloudwatch_log_group.this["tick"]
}

moved {
  from = aws_cloudwatch_metric_alarm.no_ticks
  to   = aws_cloudwatch_metric_alarm.this["no-ticks"]
}

moved {
  from = aws_cloudwatch_metric_alarm.problems
  to   = aws_cloudwatch_metric_alarm.this["problems"]
}

moved {
  from = aws_cloudwatch_metric_alarm.throttled
  to   = aws_cloudwatch_metric_alarm.this["throttled"]
}

moved {
  from = aws_cloudwatch_metric_alarm.ticks_fail
  to   = aws_cloudwatch_metric_alarm.this["ticks-fail"]
}

moved {
  from = aws_dynamodb_table.this
  to   = aws_dynamodb_table.this[0]
}

moved {
  from = aws_iam_role.function
  to   = aws_iam_role.this["tick"]
}

moved {
  from = aws_iam_role.schedule
  to   = aws_iam_role.this["schedule"]
}

moved {
  from = aws_iam_role_policy.function
  to   = aws_iam_role_policy.this["tick"]
}

moved {
  from = aws_iam_role_policy.schedule
  to   = aws_iam_role_policy.this["schedule"]
}

moved {
  from = aws_lambda_function.this
  to   = aws_lambda_function.this["tick"]
}
