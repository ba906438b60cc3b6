# One pool on Cloud Run and the dispatcher that serves it, with a PostgreSQL that is there already.

variable "project" {
  description = "Id of the project of all resources."
  type        = string
}

# Where everything is made.
variable "region" { default = "europe-west1" }

# What it is called.
variable "name" { default = "push-dispatcher" }

# The zip: dispatcher package --target google-cloud-function --extras gcp,postgres --output function.zip
variable "package" { default = "function.zip" }

variable "store_url" {
  description = "Address of the PostgreSQL, as postgresql://user:password@host:5432/database."
  type        = string
  sensitive   = true
}

variable "environment" {
  description = "Further settings of the function."
  type        = map(string)
  default     = {}
}

variable "api" {
  description = "The HTTP API in a function of its own, as { callers = [\"deploy@acme-jobs.iam.gserviceaccount.com\"], editors = [\"*\"], package = \"api.zip\" }; null: there is none. Its zip: dispatcher package --target google-cloud-function --api"
  type        = any
  default     = null
}

provider "google" {
  project = var.project
  region  = var.region
}

resource "google_project_service" "this" {
  for_each = toset([
    "artifactregistry.googleapis.com",
    "cloudbuild.googleapis.com",
    "cloudfunctions.googleapis.com",
    "cloudscheduler.googleapis.com",
    "iam.googleapis.com",
    "logging.googleapis.com",
    "monitoring.googleapis.com",
    "pubsub.googleapis.com",
    "run.googleapis.com",
    "secretmanager.googleapis.com",
  ])

  service            = each.value
  disable_on_destroy = false # others may use it
}

module "pool" {
  source = "../../modules/cloud-run-pool"

  name    = "${var.name}-batch"
  project = var.project
  region  = var.region

  depends_on = [google_project_service.this]
}

module "dispatcher" {
  source = "../../modules/gcp-dispatcher"

  name        = var.name
  project     = var.project
  region      = var.region
  package     = var.package
  store_url   = var.store_url
  api         = var.api
  environment = var.environment
  pools       = { batch = module.pool.dispatcher }

  depends_on = [google_project_service.this]
}

output "job_variables" { value = module.pool.job_variables }
output "function_name" { value = module.dispatcher.function_name }
output "url" { value = module.dispatcher.url }
output "api_url" { value = module.dispatcher.api_url }
