# Lets a dispatcher on AWS push to Cloud Run without a key: Google believes AWS who it is, and lets this one role be a service account.

locals {
  role = element(reverse(split("/", var.function_role_arn)), 0)
}

resource "google_iam_workload_identity_pool" "this" {
  project                   = var.project
  workload_identity_pool_id = var.name
  display_name              = var.name
  description               = "Dispatchers on AWS"
}

resource "google_iam_workload_identity_pool_provider" "this" {
  project                            = var.project
  workload_identity_pool_id          = google_iam_workload_identity_pool.this.workload_identity_pool_id
  workload_identity_pool_provider_id = "aws"

  # Who calls is the role; the name of its session does not matter, and might be too long for a subject.
  attribute_mapping   = { "google.subject" = "assertion.arn.extract('assumed-role/{role}/')" }
  attribute_condition = "google.subject == '${local.role}'"

  aws {
    account_id = element(split(":", var.function_role_arn), 4)
  }
}

# Whom the dispatcher is on Google Cloud.
resource "google_service_account" "dispatcher" {
  project      = var.project
  account_id   = var.name
  display_name = "The dispatcher on AWS"
}

resource "google_service_account_iam_member" "aws" {
  service_account_id = google_service_account.dispatcher.name
  role               = "roles/iam.workloadIdentityUser"
  member             = "principal://iam.googleapis.com/${google_iam_workload_identity_pool.this.name}/subject/${local.role}"
}

# What it may do in its pools.
resource "google_project_iam_member" "pools" {
  for_each = var.pools

  project = each.value.project
  role    = each.value.role
  member  = "serviceAccount:${google_service_account.dispatcher.email}"
}

resource "google_service_account_iam_member" "pools" {
  for_each = var.pools

  service_account_id = each.value.service_account
  role               = "roles/iam.serviceAccountUser"
  member             = "serviceAccount:${google_service_account.dispatcher.email}"
}
