output "dispatcher" {
  description = "What gcp-dispatcher and aws-to-google take in `pools`: the role that a dispatcher needs, where, and the account it may give to jobs."
  value = {
    project         = var.project
    role            = google_project_iam_custom_role.dispatcher.id
    service_account = google_service_account.job.name
  }
}

output "job_variables" {
  description = "Defaults for the variables of the pool's base job template, as cloud-run-v2:push has them."
  value = merge(
    {
      project              = var.project
      region               = var.region
      service_account_name = google_service_account.job.email
    },
    { for name, value in { vpc_connector_name = var.vpc_connector } : name => value if value != null },
    {
      for name, value in { network_interfaces = [{ network = var.network, subnetwork = var.subnetwork }] } :
      name => value if var.network != null
    },
  )
}

output "service_account" {
  description = "The e-mail address of the account that the jobs run as."
  value       = google_service_account.job.email
}
