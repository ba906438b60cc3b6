# A service account each for the schedule (and the ends of jobs), for each function, and for what builds them. No basic role, and none
# on the project where Google knows better.

locals {
  accounts = merge(
    { schedule = { id = "${var.name}-schedule", title = "Starts ticks of ${var.name}" } },
    { build = { id = "${var.name}-build", title = "Builds the function ${var.name}" } },
    { for function, name in local.names : function => { id = name, title = function == "tick" ? "The function ${name}" : "The HTTP API of ${var.name}" } },
  )

  # Who may start which function.
  invokers = merge(
    { schedule = { function = "tick", email = google_service_account.this["schedule"].email } },
    { for caller in try(var.api.callers, []) : caller => { function = "api", email = caller } },
  )
}

resource "google_service_account" "this" {
  for_each = local.accounts

  project      = var.project
  account_id   = each.value.id
  display_name = each.value.title
}

resource "google_cloud_run_service_iam_member" "invokers" {
  for_each = local.invokers

  project  = var.project
  location = var.region
  service  = google_cloudfunctions2_function.this[each.value.function].name
  role     = "roles/run.invoker"
  member   = "serviceAccount:${each.value.email}"
}

resource "google_secret_manager_secret_iam_member" "store" {
  for_each = local.names

  project   = var.project
  secret_id = local.secret
  role      = "roles/secretmanager.secretAccessor"
  member    = "serviceAccount:${google_service_account.this[each.key].email}"
}

resource "google_secret_manager_secret_iam_member" "environment" {
  for_each = var.secret_environment

  project   = var.project
  secret_id = each.value
  role      = "roles/secretmanager.secretAccessor"
  member    = "serviceAccount:${google_service_account.this["tick"].email}"
}

# What the function may do in its pools.
resource "google_project_iam_member" "pools" {
  for_each = var.pools

  project = each.value.project
  role    = each.value.role
  member  = "serviceAccount:${google_service_account.this["tick"].email}"
}

resource "google_service_account_iam_member" "pools" {
  for_each = var.pools

  service_account_id = each.value.service_account
  role               = "roles/iam.serviceAccountUser"
  member             = "serviceAccount:${google_service_account.this["tick"].email}"
}

# The project's default account, which builds otherwise, may be an editor of everything. These are what a build of a function needs:
# https://cloud.google.com/functions/docs/securing/build-custom-sa
resource "google_project_iam_member" "build" {
  for_each = toset(["roles/artifactregistry.writer", "roles/logging.logWriter", "roles/storage.objectViewer"])

  project = var.project
  role    = each.value
  member  = "serviceAccount:${google_service_account.this["build"].email}"
}
