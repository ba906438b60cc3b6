# The dispatcher on AWS Lambda, its pool on Cloud Run, and no key between them.

# Where everything is made.
variable "region" { default = "us-east-1" }

variable "project" {
  description = "Id of the Google Cloud project that the jobs run in."
  type        = string
}

# Where the jobs run.
variable "google_region" { default = "europe-west1" }

# The zip: dispatcher package --arch arm64 --python 3.13 --extras aws,gcp --output function.zip
variable "package" { default = "function.zip" }

# Whether the table refuses to be destroyed.
variable "deletion_protection" { default = true }

provider "aws" {
  region = var.region
}

provider "google" {
  project = var.project
  region  = var.google_region
}

module "pool" {
  source = "../../modules/cloud-run-pool"

  name    = "push-dispatcher-batch"
  project = var.project
  region  = var.google_region
}

module "google" {
  source = "../../modules/aws-to-google"

  project           = var.project
  function_role_arn = module.dispatcher.function_role_arn
  pools             = { batch = module.pool.dispatcher }
}

module "dispatcher" {
  source = "../../modules/aws-dispatcher"

  package             = var.package
  deletion_protection = var.deletion_protection
  environment         = { DISPATCHER_CREDENTIALS = jsonencode({ google = module.google.credentials }) }
}

output "store" { value = module.dispatcher.store }
output "job_variables" { value = merge(module.pool.job_variables, { credentials = "google" }) }
output "credentials" { value = { google = module.google.credentials } }
