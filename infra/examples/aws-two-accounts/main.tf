# The dispatcher in one account, its pool in another: no key between them, and no slot that waits for the next tick.

# Where everything is made.
variable "region" { default = "us-east-1" }

variable "jobs_account" {
  description = "Id of the account that the jobs run in."
  type        = string
}

variable "jobs_profile" {
  description = "Profile of the AWS configuration with which Terraform works in that account."
  type        = string
  default     = null
}

# The zip: dispatcher package --target aws-lambda --arch arm64 --python 3.13 --extras aws --output function.zip
variable "package" { default = "function.zip" }

# Whether tables refuse to be destroyed.
variable "deletion_protection" { default = true }

provider "aws" {
  region = var.region
}

provider "aws" {
  alias               = "jobs"
  region              = var.region
  profile             = var.jobs_profile
  allowed_account_ids = [var.jobs_account]
}

module "pool" {
  source    = "../../modules/ecs-pool"
  providers = { aws = aws.jobs }

  name = "push-dispatcher-batch"

  dispatcher = {
    function_role_arn = module.dispatcher.function_role_arn
    event_bus_arn     = module.dispatcher.event_bus_arn
  }
}

module "dispatcher" {
  source = "../../modules/aws-dispatcher"

  package             = var.package
  deletion_protection = var.deletion_protection
  pools               = { batch = module.pool.dispatcher }
  pool_accounts       = { jobs = var.jobs_account }
  environment         = { DISPATCHER_CREDENTIALS = jsonencode({ jobs = module.pool.credentials }) }
}

output "store" { value = module.dispatcher.store }
output "job_variables" { value = merge(module.pool.job_variables, { aws_credentials = "jobs" }) }
