# The dispatcher on AWS Lambda, its pool on Cloud Run, and no key between them. `emulator_endpoint` is for AWS alone.

variable "region" {
  description = "Where everything is made."
  type        = string
  default     = "us-east-1"
}

variable "name" {
  description = "What it is called."
  type        = string
  default     = "push-dispatcher"
}

variable "project" {
  description = "Id of the Google Cloud project that the jobs run in."
  type        = string
}

variable "google_region" {
  description = "Where the jobs run."
  type        = string
  default     = "europe-west1"
}

variable "package" {
  description = "The zip: dispatcher package --arch arm64 --python 3.13 --extras aws,gcp --output function.zip"
  type        = string
  default     = "function.zip"
}

variable "architecture" {
  description = "What the zip was built for."
  type        = string
  default     = "arm64"
}

variable "runtime" {
  description = "What the zip was built for."
  type        = string
  default     = "python3.13"
}

variable "deletion_protection" {
  description = "Whether the table refuses to be destroyed."
  type        = bool
  default     = true
}

variable "environment" {
  description = "Further settings of the function."
  type        = map(string)
  default     = {}
}

variable "emulator_endpoint" {
  description = "URL of an emulator of AWS; null is AWS itself."
  type        = string
  default     = null
}

provider "aws" {
  region                      = var.region
  access_key                  = var.emulator_endpoint == null ? null : "test"
  secret_key                  = var.emulator_endpoint == null ? null : "test"
  skip_credentials_validation = var.emulator_endpoint != null
  skip_metadata_api_check     = var.emulator_endpoint != null
  skip_region_validation      = var.emulator_endpoint != null

  endpoints {
    cloudwatch       = var.emulator_endpoint
    cloudwatchevents = var.emulator_endpoint
    cloudwatchlogs   = var.emulator_endpoint
    dynamodb         = var.emulator_endpoint
    ecs              = var.emulator_endpoint
    iam              = var.emulator_endpoint
    lambda           = var.emulator_endpoint
    scheduler        = var.emulator_endpoint
    sqs              = var.emulator_endpoint
    sts              = var.emulator_endpoint
  }
}

provider "google" {
  project = var.project
  region  = var.google_region
}

module "pool" {
  source = "../../modules/cloud-run-pool"

  name    = "${var.name}-batch"
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

  name                = var.name
  package             = var.package
  architecture        = var.architecture
  runtime             = var.runtime
  deletion_protection = var.deletion_protection
  environment         = merge(var.environment, { DISPATCHER_CREDENTIALS = jsonencode({ google = module.google.credentials }) })
}

output "store" {
  description = "DISPATCHER_STORE, for the command line."
  value       = module.dispatcher.store
}

output "job_variables" {
  description = "Defaults for the pool's base job template."
  value       = merge(module.pool.job_variables, { credentials = "google" })
}

output "credentials" {
  description = "DISPATCHER_CREDENTIALS, as the function has them."
  value       = { google = module.google.credentials }
}
