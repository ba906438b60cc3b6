# Whom a function is: for its storage and for the pools one identity that is there before it is made, for its secrets its own.

resource "azurerm_user_assigned_identity" "this" {
  for_each = local.functions

  name                = each.value.name
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags
}

# What the Functions host needs of the account that it keeps its locks and its package in:
# https://learn.microsoft.com/azure/azure-functions/functions-reference#connecting-to-host-storage-with-an-identity
resource "azurerm_role_assignment" "storage" {
  for_each = local.functions

  scope                = azurerm_storage_account.this[each.key].id
  role_definition_name = "Storage Blob Data Owner"
  principal_id         = azurerm_user_assigned_identity.this[each.key].principal_id
  principal_type       = "ServicePrincipal"
}

locals {
  # Which function reads which secret.
  readable = merge(
    {
      for function in keys(local.functions) : "${function}-store" => {
        function = function
        id       = var.create_store_secret ? one(azurerm_key_vault_secret.store[*].resource_versionless_id) : var.store_secret_id
      }
    },
    { for name, each in var.secret_environment : name => { function = "tick", id = each.id } },
  )
}

resource "azurerm_role_assignment" "secrets" {
  for_each = local.readable

  scope                = each.value.id
  role_definition_name = "Key Vault Secrets User"
  principal_id         = azurerm_function_app_flex_consumption.this[each.value.function].identity[0].principal_id
  principal_type       = "ServicePrincipal"
}

# Whoever applies this writes the secret.
resource "azurerm_role_assignment" "writes_secret" {
  count = var.create_store_secret ? 1 : 0

  scope                = azurerm_key_vault.this[0].id
  role_definition_name = "Key Vault Secrets Officer"
  principal_id         = data.azurerm_client_config.current.object_id
}

# What the function may do in its pools.
locals {
  rights = merge([
    for name, pool in var.pools : { for right, each in pool : "${name}-${right}" => each }
  ]...)
}

resource "azurerm_role_assignment" "pools" {
  for_each = local.rights

  scope              = each.value.scope
  role_definition_id = each.value.role
  principal_id       = azurerm_user_assigned_identity.this["tick"].principal_id
  principal_type     = "ServicePrincipal"
}
