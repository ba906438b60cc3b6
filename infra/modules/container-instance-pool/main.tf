# What a push pool needs on Azure Container Instances: a resource group, the identity of its jobs, and the least rights a dispatcher
# needs there. Container groups themselves are made by the dispatcher, one for each run, and removed by it.

data "azurerm_client_config" "current" {}

data "azurerm_resource_group" "existing" {
  count = var.create_resource_group ? 0 : 1

  name = var.resource_group_name
}

resource "azurerm_resource_group" "this" {
  count = var.create_resource_group ? 1 : 0

  name     = var.name
  location = var.location
  tags     = var.tags
}

locals {
  group = one(concat(azurerm_resource_group.this[*], data.azurerm_resource_group.existing[*]))
}

resource "azurerm_user_assigned_identity" "job" {
  name                = "${var.name}-job"
  resource_group_name = local.group.name
  location            = var.location
  tags                = var.tags

  lifecycle {
    precondition {
      condition     = var.create_resource_group == (var.resource_group_name == null)
      error_message = "create_resource_group, resource_group_name: give resource_group_name and create_resource_group = false, or neither."
    }
  }
}
