variable "package" {
  description = "The zip: dispatcher package --target azure-functions --extras azure,postgres --output function.zip"
  type        = string
  default     = "function.zip"
}

variable "store_url" {
  description = "Address of the PostgreSQL that holds the state, as postgresql://user:password@host:5432/database."
  type        = string
  sensitive   = true
}

resource "azurerm_resource_group" "dispatcher" {
  name     = "push-dispatcher"
  location = var.location
}

module "dispatcher" {
  source = "./modules/azure-dispatcher"

  resource_group_name = azurerm_resource_group.dispatcher.name
  location            = azurerm_resource_group.dispatcher.location
  package             = var.package
  store_url           = var.store_url
  pools               = { "work-pool" = module.pool.dispatcher }
}

output "function_name" {
  description = "For the log."
  value       = module.dispatcher.function_name
}
