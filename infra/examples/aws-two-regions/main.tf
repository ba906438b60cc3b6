# A dispatcher and a pool in each of two regions of one account, under the same names: neither waits for the other's region.

variable "regions" {
  description = "The two regions."
  type        = object({ first = string, second = string })
  default     = { first = "us-east-1", second = "eu-central-1" }
}

# The zip: dispatcher package --target aws-lambda --arch arm64 --python 3.13 --extras aws --output function.zip
variable "package" { default = "function.zip" }

variable "environment" {
  description = "Further settings of both functions."
  type        = map(string)
  default     = {}
}

# Whether tables refuse to be destroyed.
variable "deletion_protection" { default = true }

provider "aws" {
  alias  = "first"
  region = var.regions.first
}

provider "aws" {
  alias  = "second"
  region = var.regions.second
}

module "pool_first" {
  source    = "../../modules/ecs-pool"
  providers = { aws = aws.first }

  name = "push-dispatcher-batch"
}

module "dispatcher_first" {
  source    = "../../modules/aws-dispatcher"
  providers = { aws = aws.first }

  package             = var.package
  deletion_protection = var.deletion_protection
  environment         = var.environment
  pools               = { batch = module.pool_first.dispatcher }
}

module "pool_second" {
  source    = "../../modules/ecs-pool"
  providers = { aws = aws.second }

  name = "push-dispatcher-batch"
}

module "dispatcher_second" {
  source    = "../../modules/aws-dispatcher"
  providers = { aws = aws.second }

  package             = var.package
  deletion_protection = var.deletion_protection
  environment         = var.environment
  pools               = { batch = module.pool_second.dispatcher }
}

output "stores" {
  description = "By region: DISPATCHER_STORE, for the command line."
  value = {
    (var.regions.first)  = module.dispatcher_first.store
    (var.regions.second) = module.dispatcher_second.store
  }
}

output "job_variables" {
  description = "By region: defaults for the pool's base job template."
  value = {
    (var.regions.first)  = module.pool_first.job_variables
    (var.regions.second) = module.pool_second.job_variables
  }
}
