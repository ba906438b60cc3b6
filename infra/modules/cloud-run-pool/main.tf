# What a push pool needs on Cloud Run: the account that its jobs run as, and the least rights a dispatcher needs there. Jobs themselves
# are made by the dispatcher, one for each run, and removed by it.

resource "google_service_account" "job" {
  project      = var.project
  account_id   = "${var.name}-job"
  display_name = "Jobs of the work pool ${var.name}"
}
