# One pool on Fargate and the dispatcher that serves it.

# Where everything is made.
variable "region" { default = "us-east-1" }

# What it is called.
variable "name" { default = "push-dispatcher" }

# The zip: dispatcher package --arch arm64 --python 3.13 --extras aws --output function.zip
variable "package" { default = "function.zip" }

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

variable "subnets" {
  description = "Ids of the subnets of the tasks; without any, the default VPC."
  type        = list(string)
  default     = []
}

variable "table_name" {
  description = "Name of the table, where it is not the dispatcher's: after a change of name, or one that was restored."
  type        = string
  default     = null
}

# Whether the table refuses to be destroyed.
variable "deletion_protection" { default = true }

variable "alarm_actions" {
  description = "ARNs that alarms notify, as an SNS topic."
  type        = list(string)
  default     = []
}

variable "environment" {
  description = "Further settings of the function."
  type        = map(string)
  default     = {}
}

variable "wakers" {
  description = "By a name of your choice: ARNs of roles and users that may start ticks with DISPATCHER_WAKE."
  type        = map(string)
  default     = {}
}

variable "api" {
  description = "The HTTP API in a function of its own, as { package = \"api.zip\", editors = [\"arn:aws:sts::123456789012:assumed-role/deploy/*\"] }; null: there is none. Its zip: dispatcher package --api"
  type        = any
  default     = null
}

provider "aws" {
  region = var.region
}

module "pool" {
  source = "../../modules/ecs-pool"

  name    = "${var.name}-batch"
  subnets = var.subnets
}

module "dispatcher" {
  source = "../../modules/aws-dispatcher"

  name                = var.name
  package             = var.package
  architecture        = var.architecture
  runtime             = var.runtime
  environment         = var.environment
  table_name          = var.table_name
  deletion_protection = var.deletion_protection
  alarm_actions       = var.alarm_actions
  pools               = { batch = module.pool.dispatcher }
  wakers              = var.wakers
  api                 = var.api
}

output "store" { value = module.dispatcher.store }
output "job_variables" { value = module.pool.job_variables }
output "function_name" { value = module.dispatcher.function_name }
output "wake" { value = module.dispatcher.wake }
output "api_url" { value = module.dispatcher.api_url }
