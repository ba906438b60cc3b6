# Several pools, each with a cluster and roles of its own, and one dispatcher that gives each busy pool an invocation of its own.

# Where everything is made.
variable "region" { default = "us-east-1" }

variable "pools" {
  description = "Names of the pools: at most ten, unless the account's quota of managed policies was raised."
  type        = set(string)
  default     = ["batch", "nightly", "reports"]
}

# The zip: dispatcher package --target aws-lambda --arch arm64 --python 3.13 --extras aws --output function.zip
variable "package" { default = "function.zip" }

# Whether the table refuses to be destroyed.
variable "deletion_protection" { default = true }

provider "aws" {
  region = var.region
}

module "pools" {
  source   = "../../modules/ecs-pool"
  for_each = var.pools

  name = "push-dispatcher-${each.key}"
}

module "dispatcher" {
  source = "../../modules/aws-dispatcher"

  package             = var.package
  deletion_protection = var.deletion_protection
  environment         = { DISPATCHER_FAN_OUT = "lambda" }
  pools               = { for name, pool in module.pools : name => pool.dispatcher }
}

output "store" { value = module.dispatcher.store }
output "job_variables" { value = { for name, pool in module.pools : name => pool.job_variables } }
