# One pool on Azure Container Instances and the dispatcher that serves it, with a PostgreSQL that is there already.

variable "subscription_id" {
  description = "Id of the subscription of all resources."
  type        = string
}

# Where everything is made: a region that has Flex Consumption.
variable "location" { default = "westeurope" }

# What it is called.
variable "name" { default = "push-dispatcher" }

# The zip: dispatcher package --target azure-functions --extras azure,postgres --output function.zip
variable "package" { default = "function.zip" }

variable "store_url" {
  description = "Address of the PostgreSQL, as postgresql://user:password@host:5432/database."
  type        = string
  sensitive   = true
}

variable "environment" {
  description = "Further settings of the function."
  type        = map(string)
  default     = {}
}

variable "api" {
  description = "The HTTP API in an app of its own, as { package = \"api.zip\", client_id = \"...\", editors = [\"ada@example.com\"] }; null: there is none. Its zip: dispatcher package --target azure-functions --api"
  type        = any
  default     = null
}

provider "azurerm" {
  subscription_id     = var.subscription_id
  storage_use_azuread = true # the storage account takes no keys

  features {}
}

resource "azurerm_resource_group" "this" {
  name     = var.name
  location = var.location
}

module "pool" {
  source = "../../modules/container-instance-pool"

  name     = "${var.name}-batch"
  location = var.location
}

module "dispatcher" {
  source = "../../modules/azure-dispatcher"

  name                = var.name
  resource_group_name = azurerm_resource_group.this.name
  location            = azurerm_resource_group.this.location
  package             = var.package
  store_url           = var.store_url
  api                 = var.api
  environment         = var.environment
  pools               = { batch = module.pool.dispatcher }
}

output "job_variables" { value = module.pool.job_variables }
output "function_name" { value = module.dispatcher.function_name }
output "api_url" { value = module.dispatcher.api_url }
