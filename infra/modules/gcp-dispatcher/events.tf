# The end of a job frees its slot at once, and the next run is admitted. Cloud Run writes the end to the audit log; a sink of each
# project that has pools sends the entry to a topic, and a subscription pushes it to the function, which asks about that one job.

locals {
  # Pools of other clouds have no jobs whose ends Google's log tells.
  state_changes = var.state_changes && length(var.pools) > 0
}

resource "google_pubsub_topic" "ends" {
  count = local.state_changes ? 1 : 0

  project = var.project
  name    = "${var.name}-ends"
  labels  = var.labels
}

# One for each pool, because a project may be known only when it is made; those of one project send every entry once.
resource "google_logging_project_sink" "ends" {
  for_each = local.state_changes ? var.pools : {}

  project                = each.value.project
  name                   = "${var.name}-${each.key}-ends"
  description            = "Ends of the jobs that the dispatcher has started"
  destination            = "pubsub.googleapis.com/${google_pubsub_topic.ends[0].id}"
  unique_writer_identity = true
  disabled               = each.key != [for name in sort(keys(var.pools)) : name if var.pools[name].project == each.value.project][0]

  filter = join(" AND ", [
    "logName=\"projects/${each.value.project}/logs/cloudaudit.googleapis.com%2Fsystem_event\"",
    "protoPayload.serviceName=\"run.googleapis.com\"",
    "resource.type=\"cloud_run_job\"",
    "resource.labels.job_name=~\"^r[0-9a-f]{32}-[0-9]+$\"",
  ])
}

# Sinks of one project may write as one account.
resource "google_pubsub_topic_iam_binding" "ends" {
  count = local.state_changes ? 1 : 0

  project = var.project
  topic   = google_pubsub_topic.ends[0].name
  role    = "roles/pubsub.publisher"
  members = distinct([for sink in google_logging_project_sink.ends : sink.writer_identity])
}

# What could not be delivered within ten minutes, the least that Pub/Sub keeps, a tick has seen long before.
resource "google_pubsub_subscription" "ends" {
  count = local.state_changes ? 1 : 0

  project                    = var.project
  name                       = "${var.name}-ends"
  topic                      = google_pubsub_topic.ends[0].id
  ack_deadline_seconds       = max(10, min(var.timeout, 600))
  message_retention_duration = "600s"
  labels                     = var.labels

  expiration_policy {
    ttl = "" # never, however long nothing runs
  }

  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "60s"
  }

  push_config {
    push_endpoint = google_cloudfunctions2_function.this["tick"].url

    oidc_token {
      service_account_email = google_service_account.this["schedule"].email
      audience              = local.urls.tick
    }
  }

  depends_on = [google_cloud_run_service_iam_member.invokers]
}
