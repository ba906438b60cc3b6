# Slots, waits, outcomes and late runs of every pool, from the metrics that DISPATCHER_TELEMETRY=cloudwatch writes.

locals {
  widgets = {
    "Slots in use"                     = { metrics = ["SlotsInUse", "SlotLimit"], statistic = "Maximum" }
    "Seconds from due to claim"        = { metrics = ["WaitTime"], statistic = "p90" }
    "Seconds that the first run waits" = { metrics = ["OldestWait"], statistic = "Maximum" }
    "Outcomes"                         = { metrics = ["Completed", "Failed", "Crashed", "Cancelled"], statistic = "Sum" }
  }

  dashboard = jsonencode({
    widgets = [
      for index, title in keys(local.widgets) : {
        type   = "metric"
        x      = 12 * (index % 2)
        y      = 6 * floor(index / 2)
        width  = 12
        height = 6
        properties = {
          title  = title
          region = local.region
          period = 60 * max(5, var.interval_minutes)
          metrics = [
            for metric in local.widgets[title].metrics : [{
              expression = "SEARCH('{PushDispatcher,FunctionName,Pool} FunctionName=\"${var.name}\" MetricName=\"${metric}\"', '${local.widgets[title].statistic}')"
              label      = metric
            }]
          ]
        }
      }
    ]
  })
}

resource "aws_cloudwatch_dashboard" "this" {
  count = var.create_dashboard ? 1 : 0

  dashboard_name = "${var.name}-${local.region}"
  dashboard_body = local.dashboard

  lifecycle {
    precondition {
      condition     = can(regex("cloudwatch", lookup(var.environment, "DISPATCHER_TELEMETRY", "")))
      error_message = "create_dashboard: its metrics come with DISPATCHER_TELEMETRY = \"cloudwatch\" in environment."
    }
  }
}
