# What the modules of 0.1 have made is taken over under the addresses of now.

moved {
  from = google_cloud_run_service_iam_member.schedule
  to   = google_cloud_run_service_iam_member.invokers["schedule"]
}

moved {
  from = google_cloudfunctions2_function.this
  to   = google_cloudfunctions2_function.this["tick"]
}

moved {
  from = google_monitoring_alert_policy.no_ticks[0]
  to   = google_monitoring_alert_policy.this["no-ticks"]
}

moved {
  from = google_monitoring_alert_policy.problems[0]
  to   = google_monitoring_alert_policy.this["problems"]
}

moved {
  from = google_monitoring_alert_policy.ticks_fail[0]
  to   = google_monitoring_alert_policy.this["ticks-fail"]
}

moved {
  from = google_secret_manager_secret_iam_member.store
  to   = google_secret_manager_secret_iam_member.store["tick"]
}

moved {
  from = google_service_account.build
  to   = google_service_account.this["build"]
}

moved {
  from = google_service_account.function
  to   = google_service_account.this["tick"]
}

moved {
  from = google_service_account.schedule
  to   = google_service_account.this["schedule"]
}

moved {
  from = google_storage_bucket.source
  to   = google_storage_bucket.source[0]
}

moved {
  from = google_storage_bucket_object.source
  to   = google_storage_bucket_object.source["tick"]
}
