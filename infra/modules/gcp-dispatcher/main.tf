# push-dispatcher on Google Cloud: the schedule, and the secret with the store's address. The store is a PostgreSQL that is there already.

locals {
  secret = var.create_store_secret ? one(google_secret_manager_secret.store[*].secret_id) : var.store_secret
}

resource "google_secret_manager_secret" "store" {
  count = var.create_store_secret ? 1 : 0

  project   = var.project
  secret_id = "${var.name}-store"
  labels    = var.labels

  replication {
    user_managed {
      replicas {
        location = var.region
      }
    }
  }
}

resource "google_secret_manager_secret_version" "store" {
  count = var.create_store_secret ? 1 : 0

  secret      = google_secret_manager_secret.store[0].id
  secret_data = var.store_url

  lifecycle {
    precondition {
      condition     = var.store_url != null && var.store_secret == null
      error_message = "store_url: give the address of a PostgreSQL, or create_store_secret = false and in store_secret the id of a secret that holds it."
    }
  }
}

# A tick that was missed is made up by the next one; to repeat it later helps nobody.
resource "google_cloud_scheduler_job" "this" {
  project          = var.project
  region           = coalesce(var.schedule_region, var.region)
  name             = var.name
  description      = "Dispatches what is due"
  schedule         = module.settings.cron
  paused           = !var.schedule_enabled
  time_zone        = "Etc/UTC"
  attempt_deadline = "${var.timeout}s"

  retry_config {
    retry_count = 0
  }

  http_target {
    http_method = "POST"
    uri         = google_cloudfunctions2_function.this["tick"].url
    headers     = { "Content-Type" = "application/json" }
    body        = base64encode("{}")

    oidc_token {
      service_account_email = google_service_account.this["schedule"].email
      audience              = local.urls.tick
    }
  }

  depends_on = [google_cloud_run_service_iam_member.invokers]
}
