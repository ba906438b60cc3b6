# Several pools, each with a cluster and roles of its own, and one dispatcher that gives each busy pool an invocation of its own.

variable "region" {
  description = "Where everything is made."
  type        = string
  default     = "us-east-1"
}

variable "name" {
  description = "Name of the dispatcher, and how the names of its pools begin."
  type        = string
  default     = "push-dispatcher"
}

variable "pools" {
  description = "Names of the pools; at most ten, unless the account's quota of managed policies was raised."
  type        = set(string)
  default     = ["batch", "nightly", "reports"]
}

variable "package" {
  description = "The zip: dispatcher package --target aws-lambda --arch arm64 --python 3.13 --extras aws --output function.zip"
  type        = string
  default     = "function.zip"
}

variable "deletion_protection" {
  description = "Whether the table refuses to be destroyed."
  type        = bool
  default     = true
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

module "pools" {
  source   = "../../modules/ecs-pool"
  for_each = var.pools

  name = "${var.name}-${each.key}"
}

module "dispatcher" {
  source = "../../modules/aws-dispatcher"

  name                = var.name
  package             = var.package
  deletion_protection = var.deletion_protection
  environment         = { DISPATCHER_FAN_OUT = "lambda" }
  pools               = { for name, pool in module.pools : name => pool.dispatcher }
}

output "store" {
  description = "DISPATCHER_STORE, for the command line."
  value       = module.dispatcher.store
}

output "job_variables" {
  description = "By pool: defaults for its base job template."
  value       = { for name, pool in module.pools : name => pool.job_variables }
}
