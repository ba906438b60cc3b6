# Questions to the log, asked every fifteen minutes, that of silence over the interval's own time. A single tick that fails is made up by the next one; several mean that nothing is
# dispatched. Of a pool with a problem the runs wait, and the other pools go on.
locals {
  # The shortest window that Azure has for the time after which silence is wrong.
  window = [for minutes in [15, 30, 45, 60, 120, 180] : minutes if minutes >= module.settings.silence_minutes][0]

  questions = {
    ticks-fail = {
      description = "Ticks fail, see the log of the function"
      query       = "AppRequests | where Success == false"
      operator    = "GreaterThan"
      threshold   = 2
    }
    no-ticks = {
      description = "Nothing ticks, see whether the function has started and its setting DISPATCHER_SCHEDULE"
      query       = "AppRequests | where Name == 'tick'"
      operator    = "LessThan"
      threshold   = 1
    }
    problems = {
      description = "A pool cannot be ticked, see pool.problem in the log of the function"
      query       = "AppTraces | where Message has 'pool.problem'"
      operator    = "GreaterThan"
      threshold   = 2
    }
  }
}

resource "azurerm_monitor_scheduled_query_rules_alert_v2" "this" {
  for_each = { for name, question in local.questions : name => question if var.alerts && (var.schedule_enabled || name != "no-ticks") }

  name                    = "${var.name}-${each.key}"
  description             = each.value.description
  resource_group_name     = var.resource_group_name
  location                = var.location
  scopes                  = [azurerm_log_analytics_workspace.this.id]
  evaluation_frequency    = "PT15M"
  window_duration         = each.key != "no-ticks" ? "PT15M" : local.window < 60 ? "PT${local.window}M" : "PT${local.window / 60}H"
  severity                = 2
  auto_mitigation_enabled = true
  skip_query_validation   = true # the tables come with the first line of the log
  tags                    = var.tags

  criteria {
    query                   = each.value.query
    time_aggregation_method = "Count"
    operator                = each.value.operator
    threshold               = each.value.threshold
  }

  dynamic "action" {
    for_each = length(var.action_group_ids) > 0 ? [1] : []
    content {
      action_groups = var.action_group_ids
    }
  }
}
