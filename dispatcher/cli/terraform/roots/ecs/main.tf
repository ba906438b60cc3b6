variable "region" {
  description = "Where everything is made."
  type        = string
  default     = "us-east-1"
}

variable "subnets" {
  description = "Ids of the subnets of the tasks; without any, the default VPC."
  type        = list(string)
  default     = []
}

variable "assign_public_ip" {
  description = "Whether tasks in these subnets get a public address, which they need to pull images where there is no NAT."
  type        = bool
  default     = false
}

provider "aws" {
  region = var.region
}

module "pool" {
  source = "./modules/ecs-pool"

  name             = "work-pool"
  subnets          = var.subnets
  assign_public_ip = var.assign_public_ip
}

output "job_variables" {
  description = "Defaults for the pool's base job template."
  value       = module.pool.job_variables
}

output "dispatcher" {
  description = "What a dispatcher needs to know of the pool, and may do there."
  value       = module.pool.dispatcher
}
