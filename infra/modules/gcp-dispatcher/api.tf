# The HTTP API, where it is asked for: a function of its own that IAM guards, with the store's address and no right on jobs.

locals {
  api_name   = "${var.name}-api"
  api_url    = "https://${var.region}-${var.project}.cloudfunctions.net/${local.api_name}"
  api_zip    = try(var.api.package, null) == null ? local.object : { bucket = google_storage_bucket_object.api[0].bucket, name = google_storage_bucket_object.api[0].name }
  api_object = try(var.api.package_object, null) == null ? local.api_zip : var.api.package_object
}

resource "google_service_account" "api" {
  count = var.api == null ? 0 : 1

  project      = var.project
  account_id   = local.api_name
  display_name = "The HTTP API of ${var.name}"
}

resource "google_secret_manager_secret_iam_member" "api" {
  count = var.api == null ? 0 : 1

  project   = var.project
  secret_id = local.secret
  role      = "roles/secretmanager.secretAccessor"
  member    = "serviceAccount:${google_service_account.api[0].email}"
}

# Where the API's zip is not the dispatcher's own.
resource "google_storage_bucket_object" "api" {
  count = try(var.api.package, null) == null ? 0 : 1

  bucket = google_storage_bucket.source[0].name
  name   = "api-${coalesce(var.api.package_sha256, try(filesha256(var.api.package), "no-package"))}.zip"
  source = var.api.package

  lifecycle {
    precondition {
      condition     = var.package_object == null
      error_message = "api.package: with package_object there is no bucket of the module's to put it into: give api.package_object."
    }
  }
}

resource "google_cloudfunctions2_function" "api" {
  count = var.api == null ? 0 : 1

  project     = var.project
  name        = local.api_name
  location    = var.region
  description = "The HTTP API of ${var.name}"
  labels      = var.labels

  build_config {
    runtime         = var.runtime
    entry_point     = "api"
    service_account = google_service_account.build.id

    source {
      storage_source {
        bucket = local.api_object.bucket
        object = local.api_object.name
      }
    }
  }

  service_config {
    available_cpu                    = var.cpu
    available_memory                 = "${var.api.memory_size}Mi"
    timeout_seconds                  = 60
    min_instance_count               = 0
    max_instance_count               = var.api.max_instance_count
    max_instance_request_concurrency = 1
    ingress_settings                 = var.ingress
    all_traffic_on_latest_revision   = true
    service_account_email            = google_service_account.api[0].email
    vpc_connector                    = var.vpc_connector
    vpc_connector_egress_settings    = var.vpc_connector == null ? null : "PRIVATE_RANGES_ONLY"
    direct_vpc_egress                = var.network == null ? null : "VPC_EGRESS_${var.network.egress}"

    dynamic "direct_vpc_network_interface" {
      for_each = var.network == null ? [] : [var.network]

      content {
        network    = direct_vpc_network_interface.value.network
        subnetwork = direct_vpc_network_interface.value.subnetwork
        tags       = direct_vpc_network_interface.value.tags
      }
    }

    environment_variables = merge(
      module.settings.environment,
      {
        DISPATCHER_AUDIENCE = local.api_url
        DISPATCHER_CALLERS  = join(",", var.api.callers)
        # Cloud Run has checked the signature, and hands the token on without it. Nobody but the callers may start the function.
        DISPATCHER_TOKEN_SIGNATURE = "iam"
      },
      length(var.api.editors) == 0 ? {} : { DISPATCHER_UI_EDITORS = join(",", var.api.editors) },
    )

    secret_environment_variables {
      key        = "DISPATCHER_STORE"
      project_id = var.project
      secret     = local.secret
      version    = var.create_store_secret ? google_secret_manager_secret_version.store[0].version : "latest"
    }
  }

  depends_on = [google_project_iam_member.build, google_secret_manager_secret_iam_member.api]
}

resource "google_cloud_run_service_iam_member" "api" {
  for_each = toset(try(var.api.callers, []))

  project  = var.project
  location = var.region
  service  = google_cloudfunctions2_function.api[0].name
  role     = "roles/run.invoker"
  member   = "serviceAccount:${each.value}"
}
