# push-dispatcher on Azure: the log, and the vault with the store's address. The store is a PostgreSQL that is there already.

data "azurerm_client_config" "current" {}

locals {
  secret = var.create_store_secret ? one(azurerm_key_vault_secret.store[*].versionless_id) : var.store_secret_uri
}

resource "azurerm_key_vault" "this" {
  count = var.create_store_secret ? 1 : 0

  name                       = "${local.short.tick}${local.suffix}"
  resource_group_name        = var.resource_group_name
  location                   = var.location
  tenant_id                  = data.azurerm_client_config.current.tenant_id
  sku_name                   = "standard"
  rbac_authorization_enabled = true
  soft_delete_retention_days = 7
  tags                       = var.tags
}

resource "azurerm_key_vault_secret" "store" {
  count = var.create_store_secret ? 1 : 0

  name         = "store"
  key_vault_id = azurerm_key_vault.this[0].id
  value        = var.store_url
  tags         = var.tags

  lifecycle {
    precondition {
      condition     = var.store_url != null && var.store_secret_uri == null && var.store_secret_id == null
      error_message = "store_url: give the address of a PostgreSQL, or create_store_secret = false and in store_secret_uri and store_secret_id a secret that holds it."
    }
  }

  depends_on = [azurerm_role_assignment.writes_secret]
}

resource "azurerm_log_analytics_workspace" "this" {
  name                = var.name
  resource_group_name = var.resource_group_name
  location            = var.location
  sku                 = "PerGB2018"
  retention_in_days   = var.log_retention_days
  tags                = var.tags
}

resource "azurerm_application_insights" "this" {
  name                = var.name
  resource_group_name = var.resource_group_name
  location            = var.location
  application_type    = "web"
  workspace_id        = azurerm_log_analytics_workspace.this.id
  tags                = var.tags
}
