# A single tick that fails is made up by the next one; several mean that nothing is dispatched.

locals {
  service = "resource.type = \"cloud_run_revision\" AND resource.labels.service_name = \"${var.name}\""

  thresholds = {
    ticks-fail = {
      title     = "ticks fail"
      condition = "Requests that failed, minute by minute"
      filter    = "${local.service} AND metric.type = \"run.googleapis.com/request_count\" AND metric.labels.response_code_class != \"2xx\""
      content   = "Ticks fail: see the log of the function ${var.name}."
      silence   = null
    }
    # A pool whose tick was cut short, as by a right that is missing; its runs wait, and the other pools go on.
    problems = {
      title     = "problems"
      condition = "A pool cannot be ticked"
      filter    = "resource.type = \"cloud_run_revision\" AND metric.type = \"logging.googleapis.com/user/${var.name}-problems\""
      content   = "A pool cannot be ticked: see pool.problem in the log of the function ${var.name}."
      silence   = null
    }
  }

  # The schedule is gone or paused, or may not start the function.
  absences = {
    no-ticks = {
      title     = "no ticks"
      condition = "No request of the schedule for ${module.settings.silence_minutes} minutes"
      filter    = "resource.type = \"cloud_run_revision\" AND metric.type = \"logging.googleapis.com/user/${var.name}-ticks\""
      content   = "Nothing ticks: see the Cloud Scheduler job ${var.name} and its service account."
      silence   = "${60 * module.settings.silence_minutes}s"
    }
  }

  alerts = merge(var.alerts ? local.thresholds : {}, var.alerts && var.schedule_enabled ? local.absences : {})
}

resource "google_logging_metric" "problems" {
  count = var.alerts ? 1 : 0

  project = var.project
  name    = "${var.name}-problems"
  filter  = "${local.service} AND \"pool.problem\""

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
  }
}

# Ends of jobs call the function as well, and would hide a schedule that is gone: these are the requests of the schedule alone.
resource "google_logging_metric" "ticks" {
  count = var.alerts && var.schedule_enabled ? 1 : 0

  project = var.project
  name    = "${var.name}-ticks"
  filter  = "${local.service} AND httpRequest.userAgent:\"Google-Cloud-Scheduler\""

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
  }
}

resource "google_monitoring_alert_policy" "this" {
  for_each = local.alerts

  project               = var.project
  display_name          = "${var.name}: ${each.value.title}"
  combiner              = "OR"
  notification_channels = var.notification_channels
  user_labels           = var.labels

  conditions {
    display_name = each.value.condition

    dynamic "condition_threshold" {
      for_each = each.value.silence == null ? [1] : []
      content {
        filter          = each.value.filter
        comparison      = "COMPARISON_GT"
        threshold_value = 0
        duration        = "180s"

        aggregations {
          alignment_period     = "60s"
          per_series_aligner   = "ALIGN_DELTA"
          cross_series_reducer = "REDUCE_SUM"
        }
      }
    }

    dynamic "condition_absent" {
      for_each = each.value.silence == null ? [] : [1]
      content {
        filter   = each.value.filter
        duration = each.value.silence

        aggregations {
          alignment_period     = "60s"
          per_series_aligner   = "ALIGN_DELTA"
          cross_series_reducer = "REDUCE_SUM"
        }
      }
    }
  }

  documentation {
    content = each.value.content
  }

  depends_on = [google_logging_metric.problems, google_logging_metric.ticks]
}
