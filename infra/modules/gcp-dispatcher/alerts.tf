locals {
  service = "resource.type = \"cloud_run_revision\" AND resource.labels.service_name = \"${var.name}\""
}

# A single tick that fails is made up by the next one; several mean that nothing is dispatched.
resource "google_monitoring_alert_policy" "ticks_fail" {
  count = var.alerts ? 1 : 0

  project               = var.project
  display_name          = "${var.name}: ticks fail"
  combiner              = "OR"
  notification_channels = var.notification_channels
  user_labels           = var.labels

  conditions {
    display_name = "Requests of the schedule that failed, minute by minute"

    condition_threshold {
      filter          = "${local.service} AND metric.type = \"run.googleapis.com/request_count\" AND metric.labels.response_code_class != \"2xx\""
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

  documentation {
    content = "Ticks fail: see the log of the function ${var.name}."
  }
}

# No tick at all within ten minutes: the schedule is gone or paused, or may not start the function.
resource "google_monitoring_alert_policy" "no_ticks" {
  count = var.alerts ? 1 : 0

  project               = var.project
  display_name          = "${var.name}: no ticks"
  combiner              = "OR"
  notification_channels = var.notification_channels
  user_labels           = var.labels

  conditions {
    display_name = "No request for ten minutes"

    condition_absent {
      filter   = "${local.service} AND metric.type = \"run.googleapis.com/request_count\""
      duration = "600s"

      aggregations {
        alignment_period     = "60s"
        per_series_aligner   = "ALIGN_DELTA"
        cross_series_reducer = "REDUCE_SUM"
      }
    }
  }

  documentation {
    content = "Nothing ticks: see the Cloud Scheduler job ${var.name} and its service account."
  }
}

# A pool whose tick was cut short, as by a right that is missing; its runs wait, and the other pools go on.
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

resource "google_monitoring_alert_policy" "problems" {
  count = var.alerts ? 1 : 0

  project               = var.project
  display_name          = "${var.name}: problems"
  combiner              = "OR"
  notification_channels = var.notification_channels
  user_labels           = var.labels

  conditions {
    display_name = "A pool cannot be ticked"

    condition_threshold {
      filter          = "resource.type = \"cloud_run_revision\" AND metric.type = \"logging.googleapis.com/user/${google_logging_metric.problems[0].name}\""
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

  documentation {
    content = "A pool cannot be ticked: see pool.problem in the log of the function ${var.name}."
  }
}
