# The dispatcher in one account, its pool in another: no key between them, and no slot that waits for the next tick.

variable "region" {
  description = "Where everything is made."
  type        = string
  default     = "us-east-1"
}

variable "jobs_account" {
  description = "Id of the account that the jobs run in."
  type        = string
}

variable "jobs_profile" {
  description = "Profile of the AWS configuration with which Terraform works in that account."
  type        = string
  default     = null
}

variable "name" {
  description = "Name of the dispatcher, and how the names of its pools begin."
  type        = string
  default     = "push-dispatcher"
}

variable "package" {
  description = "The zip: dispatcher package --target aws-lambda --arch arm64 --python 3.13 --extras aws --output function.zip"
  type        = string
  default     = "function.zip"
}

variable "deletion_protection" {
  description = "Whether tables refuse to be destroyed."
  type        = bool
  default     = true
}

variable "emulator_endpoint" {
  description = "URL of an emulator of AWS; null is AWS itself."
  type        = string
  default     = null
}

variable "jobs_emulator_endpoint" {
  description = "The same for the account of the jobs."
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

provider "aws" {
  alias                       = "jobs"
  region                      = var.region
  profile                     = var.jobs_profile
  allowed_account_ids         = [var.jobs_account]
  access_key                  = var.jobs_emulator_endpoint == null ? null : "test"
  secret_key                  = var.jobs_emulator_endpoint == null ? null : "test"
  skip_credentials_validation = var.jobs_emulator_endpoint != null
  skip_metadata_api_check     = var.jobs_emulator_endpoint != null
  skip_region_validation      = var.jobs_emulator_endpoint != null

  endpoints {
    cloudwatch       = var.jobs_emulator_endpoint
    cloudwatchevents = var.jobs_emulator_endpoint
    cloudwatchlogs   = var.jobs_emulator_endpoint
    dynamodb         = var.jobs_emulator_endpoint
    ecs              = var.jobs_emulator_endpoint
    iam              = var.jobs_emulator_endpoint
    lambda           = var.jobs_emulator_endpoint
    scheduler        = var.jobs_emulator_endpoint
    sqs              = var.jobs_emulator_endpoint
    sts              = var.jobs_emulator_endpoint
  }
}

module "pool" {
  source    = "../../modules/ecs-pool"
  providers = { aws = aws.jobs }

  name = "${var.name}-batch"

  dispatcher = {
    function_role_arn = module.dispatcher.function_role_arn
    event_bus_arn     = module.dispatcher.event_bus_arn
  }
}

module "dispatcher" {
  source = "../../modules/aws-dispatcher"

  name                = var.name
  package             = var.package
  deletion_protection = var.deletion_protection
  pools               = { batch = module.pool.dispatcher }
  pool_accounts       = { jobs = var.jobs_account }
  environment         = { DISPATCHER_CREDENTIALS = jsonencode({ jobs = module.pool.credentials }) }
}

output "store" {
  description = "DISPATCHER_STORE, for the command line."
  value       = module.dispatcher.store
}

output "job_variables" {
  description = "Defaults for the pool's base job template."
  value       = merge(module.pool.job_variables, { aws_credentials = "jobs" })
}
