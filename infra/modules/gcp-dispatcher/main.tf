# push-dispatcher on Google Cloud: the function, its schedule, and its store's address. The store is a PostgreSQL that is there already.

locals {
  # Known before the function is made, so that it can be told whose tokens are for it.
  url    = "https://${var.region}-${var.project}.cloudfunctions.net/${var.name}"
  secret = var.create_store_secret ? one(google_secret_manager_secret.store[*].secret_id) : var.store_secret
  object = var.package_object == null ? { bucket = google_storage_bucket.source[0].name, name = google_storage_bucket_object.source[0].name } : var.package_object
}

module "settings" {
  source = "../settings"

  environment      = var.environment
  managed          = var.managed
  prefect          = var.prefect
  timeout          = var.timeout
  interval_minutes = var.interval_minutes
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

resource "google_storage_bucket" "source" {
  count = var.package_object == null ? 1 : 0

  project                     = var.project
  name                        = "${var.project}-${var.name}-source"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = true # it holds what can be built anew
  labels                      = var.labels
}

# Another zip is another object, which the function is then built from.
resource "google_storage_bucket_object" "source" {
  count = var.package_object == null ? 1 : 0

  bucket = google_storage_bucket.source[0].name
  name   = "${coalesce(var.package_sha256, try(filesha256(var.package), "no-package"))}.zip"
  source = var.package

  lifecycle {
    precondition {
      condition     = var.package != null
      error_message = "package: give the path of the zip, or in package_object an object that holds it."
    }
  }
}

resource "google_cloudfunctions2_function" "this" {
  project     = var.project
  name        = var.name
  location    = var.region
  description = "Dispatches what is due"
  labels      = var.labels

  build_config {
    runtime         = var.runtime
    entry_point     = "tick"
    service_account = google_service_account.build.id

    source {
      storage_source {
        bucket = local.object.bucket
        object = local.object.name
      }
    }
  }

  service_config {
    available_cpu                    = var.cpu
    available_memory                 = "${var.memory_size}Mi"
    timeout_seconds                  = var.timeout
    min_instance_count               = 0
    max_instance_count               = var.max_instance_count
    max_instance_request_concurrency = 1
    ingress_settings                 = var.ingress
    all_traffic_on_latest_revision   = true
    service_account_email            = google_service_account.function.email
    vpc_connector                    = var.vpc_connector
    vpc_connector_egress_settings    = var.vpc_connector == null ? null : "PRIVATE_RANGES_ONLY"
    direct_vpc_egress                = var.network == null ? null : "VPC_EGRESS_${var.network.egress}"

    # https://cloud.google.com/functions/docs/running/direct-vpc
    dynamic "direct_vpc_network_interface" {
      for_each = var.network == null ? [] : [var.network]

      content {
        network    = direct_vpc_network_interface.value.network
        subnetwork = direct_vpc_network_interface.value.subnetwork
        tags       = direct_vpc_network_interface.value.tags
      }
    }

    environment_variables = merge(module.settings.environment, {
      DISPATCHER_AUDIENCE        = local.url
      DISPATCHER_CALLERS         = google_service_account.schedule.email
      DISPATCHER_TIMEOUT_SECONDS = tostring(var.timeout)
      # Cloud Run has checked the signature, and hands the token on without it. Nobody but the schedule may start the function.
      DISPATCHER_TOKEN_SIGNATURE = "iam"
    })

    secret_environment_variables {
      key        = "DISPATCHER_STORE"
      project_id = var.project
      secret     = local.secret
      version    = var.create_store_secret ? google_secret_manager_secret_version.store[0].version : "latest"
    }

    dynamic "secret_environment_variables" {
      for_each = var.secret_environment

      content {
        key        = secret_environment_variables.key
        project_id = var.project
        secret     = secret_environment_variables.value
        version    = "latest"
      }
    }
  }

  lifecycle {
    precondition {
      condition     = var.network == null || var.vpc_connector == null
      error_message = "network, vpc_connector: a function takes one of them."
    }
  }

  depends_on = [
    google_project_iam_member.build,
    google_project_iam_member.pools,
    google_secret_manager_secret_iam_member.environment,
    google_secret_manager_secret_iam_member.store,
    google_service_account_iam_member.pools,
  ]
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
    uri         = google_cloudfunctions2_function.this.url
    headers     = { "Content-Type" = "application/json" }
    body        = base64encode("{}")

    oidc_token {
      service_account_email = google_service_account.schedule.email
      audience              = local.url
    }
  }

  depends_on = [google_cloud_run_service_iam_member.schedule]
}

moved {
  from = google_storage_bucket.source
  to   = google_storage_bucket.source[0]
}

moved {
  from = google_storage_bucket_object.source
  to   = google_storage_bucket_object.source[0]
}
