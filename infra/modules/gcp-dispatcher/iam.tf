# Three service accounts: one for the schedule and the ends of jobs, one for the function, one that builds it. No basic role, and none on the project
# where Google knows better.

resource "google_service_account" "schedule" {
  project      = var.project
  account_id   = "${var.name}-schedule"
  display_name = "Starts ticks of ${var.name}"
}

resource "google_cloud_run_service_iam_member" "schedule" {
  project  = var.project
  location = var.region
  service  = google_cloudfunctions2_function.this.name
  role     = "roles/run.invoker"
  member   = "serviceAccount:${google_service_account.schedule.email}"
}

resource "google_service_account" "function" {
  project      = var.project
  account_id   = var.name
  display_name = "The function ${var.name}"
}

resource "google_secret_manager_secret_iam_member" "store" {
  project   = var.project
  secret_id = local.secret
  role      = "roles/secretmanager.secretAccessor"
  member    = "serviceAccount:${google_service_account.function.email}"
}

resource "google_secret_manager_secret_iam_member" "environment" {
  for_each = var.secret_environment

  project   = var.project
  secret_id = each.value
  role      = "roles/secretmanager.secretAccessor"
  member    = "serviceAccount:${google_service_account.function.email}"
}

# What the function may do in its pools.
resource "google_project_iam_member" "pools" {
  for_each = var.pools

  project = each.value.project
  role    = each.value.role
  member  = "serviceAccount:${google_service_account.function.email}"
}

resource "google_service_account_iam_member" "pools" {
  for_each = var.pools

  service_account_id = each.value.service_account
  role               = "roles/iam.serviceAccountUser"
  member             = "serviceAccount:${google_service_account.function.email}"
}

# The project's default account, which builds otherwise, may be an editor of everything. These are what a build of a function needs:
# https://cloud.google.com/functions/docs/securing/build-custom-sa
resource "google_service_account" "build" {
  project      = var.project
  account_id   = "${var.name}-build"
  display_name = "Builds the function ${var.name}"
}

resource "google_project_iam_member" "build" {
  for_each = toset(["roles/artifactregistry.writer", "roles/logging.logWriter", "roles/storage.objectViewer"])

  project = var.project
  role    = each.value
  member  = "serviceAccount:${google_service_account.build.email}"
}
