# Lets a dispatcher on AWS push to Container Instances without a key: Azure believes AWS who it is, and lets this one role be an identity.

resource "azurerm_user_assigned_identity" "dispatcher" {
  name                = var.name
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags
}

# The subject of a token that AWS gives to a role is the role's ARN; the issuer is the account's own.
resource "azurerm_federated_identity_credential" "aws" {
  name                = "aws"
  resource_group_name = var.resource_group_name
  parent_id           = azurerm_user_assigned_identity.dispatcher.id
  issuer              = var.issuer
  subject             = var.function_role_arn
  audience            = [local.audience]
}

locals {
  audience = "api://AzureADTokenExchange"

  rights = merge([
    for name, pool in var.pools : { for right, each in pool : "${name}-${right}" => each }
  ]...)
}

# What it may do in its pools.
resource "azurerm_role_assignment" "pools" {
  for_each = local.rights

  scope              = each.value.scope
  role_definition_id = each.value.role
  principal_id       = azurerm_user_assigned_identity.dispatcher.principal_id
  principal_type     = "ServicePrincipal"
}
