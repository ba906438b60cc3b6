# A single tick that fails is made up by the next one; several mean that nothing is dispatched.

locals {
  of_function = { FunctionName = aws_lambda_function.this["tick"].function_name }
  of_schedule = { ScheduleGroup = aws_scheduler_schedule_group.this.name }

  alarms = {
    ticks-fail = {
      description = "Ticks fail, see the log of the function"
      namespace   = "AWS/Lambda"
      metric      = "Errors"
      dimensions  = local.of_function
    }
    throttled = {
      description = "Lambda refuses invocations, see the concurrency of the account and of the function"
      namespace   = "AWS/Lambda"
      metric      = "Throttles"
      dimensions  = local.of_function
    }
    # A pool whose tick was cut short, as by a right that is missing, or an invocation that fan-out could not start.
    problems = {
      description = "A pool cannot be ticked, see pool.problem and pool.not_invoked in the log of the function"
      namespace   = "PushDispatcher"
      metric      = "${var.name}-problems"
      dimensions  = null
    }
    schedule-fails = {
      description = "The schedule cannot start the function, see its role and the queue of dead letters"
      namespace   = "AWS/Scheduler"
      metric      = "TargetErrorCount"
      dimensions  = local.of_schedule
    }
    dead-letters = {
      description = "Invocations failed for good, see the queue of dead letters"
      namespace   = "AWS/SQS"
      metric      = "ApproximateNumberOfMessagesVisible"
      dimensions  = { QueueName = aws_sqs_queue.dead_letters.name }
    }
  }

  # The schedule's own attempts: task events start the function too, and would hide that the schedule is gone.
  silence_alarms = {
    for name, alarm in {
      no-ticks = {
        description = "Nothing ticks, see the schedule and its role"
        namespace   = "AWS/Scheduler"
        metric      = "InvocationAttemptCount"
        dimensions  = local.of_schedule
      }
    } : name => alarm if var.schedule_enabled
  }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = merge(local.alarms, local.silence_alarms)

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.description
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = "Sum"
  period              = each.key == "no-ticks" ? 60 * module.settings.silence_minutes : 60
  evaluation_periods  = each.key == "no-ticks" ? 1 : 5
  datapoints_to_alarm = each.key == "no-ticks" ? 1 : 3
  comparison_operator = each.key == "no-ticks" ? "LessThanThreshold" : "GreaterThanThreshold"
  threshold           = each.key == "no-ticks" ? 1 : 0
  treat_missing_data  = each.key == "no-ticks" ? "breaching" : "notBreaching"
  alarm_actions       = var.alarm_actions
  ok_actions          = var.alarm_actions
  tags                = var.tags
}

resource "aws_cloudwatch_log_metric_filter" "problems" {
  name           = "${var.name}-problems"
  log_group_name = aws_cloudwatch_log_group.this["tick"].name
  pattern        = "?\"pool.problem\" ?\"pool.not_invoked\""

  metric_transformation {
    namespace = "PushDispatcher"
    name      = "${var.name}-problems"
    value     = "1"
  }
}
