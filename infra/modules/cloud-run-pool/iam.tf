# What a dispatcher may do with jobs of the project, as `roles/run.developer` has it without services, changes and policies. Google has
# no condition on the names of jobs: whoever wants other jobs out of reach gives the pool a project of its own.
resource "google_project_iam_custom_role" "dispatcher" {
  project     = var.project
  role_id     = replace("${var.name}-dispatcher", "-", "_")
  title       = "Dispatcher of ${var.name}"
  description = "Creates, starts, follows, cancels and removes jobs of Cloud Run"

  permissions = [
    "run.executions.cancel",
    "run.executions.get",
    "run.jobs.create",
    "run.jobs.delete",
    "run.jobs.get",
    "run.jobs.list",
    "run.jobs.run", # a job is created with the token that starts it
    "run.tasks.list",
  ]
}

# What the job itself may do.
resource "google_project_iam_member" "job" {
  for_each = var.job_roles

  project = var.project
  role    = each.value
  member  = "serviceAccount:${google_service_account.job.email}"
}

resource "google_secret_manager_secret_iam_member" "job" {
  for_each = var.secrets

  project   = var.project
  secret_id = each.value
  role      = "roles/secretmanager.secretAccessor"
  member    = "serviceAccount:${google_service_account.job.email}"
}
