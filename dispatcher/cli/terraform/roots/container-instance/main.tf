variable "subscription_id" {
  description = "Id of the subscription of all resources."
  type        = string
}

variable "location" {
  description = "Where everything is made."
  type        = string
  default     = "westeurope"
}

provider "azurerm" {
  subscription_id     = var.subscription_id
  storage_use_azuread = true # the function's storage account takes no keys

  features {}
}

module "pool" {
  source = "./modules/container-instance-pool"

  name     = "work-pool"
  location = var.location
}

output "job_variables" {
  description = "Defaults for the pool's base job template."
  value       = module.pool.job_variables
}

output "dispatcher" {
  description = "What a dispatcher may do in the pool, and where."
  value       = module.pool.dispatcher
}
