variable "project" {
  description = "Id of the project of all resources."
  type        = string
}

variable "region" {
  description = "Where everything is made."
  type        = string
  default     = "us-central1"
}

provider "google" {
  project = var.project
  region  = var.region
}

module "pool" {
  source = "./modules/cloud-run-pool"

  name    = "work-pool"
  project = var.project
  region  = var.region
}

output "job_variables" {
  description = "Defaults for the pool's base job template."
  value       = module.pool.job_variables
}

output "dispatcher" {
  description = "What a dispatcher may do in the pool, and where."
  value       = module.pool.dispatcher
}
