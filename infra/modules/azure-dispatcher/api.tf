# The HTTP API, where it is asked for: an app of its own behind Microsoft Entra, with the store's address and no right on jobs.

locals {
  api_short = trimsuffix(substr(var.name, 0, 13), "-")
  api_name  = "${local.api_short}-api-${local.suffix}"
}

resource "azurerm_user_assigned_identity" "api" {
  count = var.api == null ? 0 : 1

  name                = "${var.name}-api"
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags
}

# An account of its own: whoever may write the dispatcher's could change what it runs.
resource "azurerm_storage_account" "api" {
  count = var.api == null ? 0 : 1

  name                            = "${replace(local.api_short, "-", "")}api${local.suffix}"
  resource_group_name             = var.resource_group_name
  location                        = var.location
  account_tier                    = "Standard"
  account_replication_type        = "LRS"
  min_tls_version                 = "TLS1_2"
  shared_access_key_enabled       = false
  allow_nested_items_to_be_public = false
  default_to_oauth_authentication = true
  tags                            = var.tags
}

resource "azurerm_storage_container" "api" {
  count = var.api == null ? 0 : 1

  name                  = "package"
  storage_account_id    = azurerm_storage_account.api[0].id
  container_access_type = "private"
}

resource "azurerm_role_assignment" "api_storage" {
  count = var.api == null ? 0 : 1

  scope                = azurerm_storage_account.api[0].id
  role_definition_name = "Storage Blob Data Owner"
  principal_id         = azurerm_user_assigned_identity.api[0].principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_role_assignment" "api_store" {
  count = var.api == null ? 0 : 1

  scope                = var.create_store_secret ? one(azurerm_key_vault_secret.store[*].resource_versionless_id) : var.store_secret_id
  role_definition_name = "Key Vault Secrets User"
  principal_id         = azurerm_function_app_flex_consumption.api[0].identity[0].principal_id
  principal_type       = "ServicePrincipal"
}

# Flex Consumption has one app for a plan.
resource "azurerm_service_plan" "api" {
  count = var.api == null ? 0 : 1

  name                = "${var.name}-api"
  resource_group_name = var.resource_group_name
  location            = var.location
  os_type             = "Linux"
  sku_name            = "FC1"
  tags                = var.tags
}

resource "azurerm_function_app_flex_consumption" "api" {
  count = var.api == null ? 0 : 1

  name                      = local.api_name
  resource_group_name       = var.resource_group_name
  location                  = var.location
  service_plan_id           = azurerm_service_plan.api[0].id
  https_only                = true
  virtual_network_subnet_id = var.api.subnet_id
  tags                      = var.tags

  runtime_name           = "python"
  runtime_version        = var.runtime_version
  instance_memory_in_mb  = var.api.memory_size
  maximum_instance_count = var.maximum_instance_count

  storage_container_type            = "blobContainer"
  storage_container_endpoint        = "${azurerm_storage_account.api[0].primary_blob_endpoint}${azurerm_storage_container.api[0].name}"
  storage_authentication_type       = "UserAssignedIdentity"
  storage_user_assigned_identity_id = azurerm_user_assigned_identity.api[0].id

  zip_deploy_file                                = var.api.package
  webdeploy_publish_basic_authentication_enabled = false

  identity {
    type         = "SystemAssigned, UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.api[0].id]
  }

  site_config {
    application_insights_connection_string = azurerm_application_insights.this.connection_string
    minimum_tls_version                    = "1.2"
  }

  # Takes the headers that name somebody out of every request, and writes those of who was authenticated.
  # https://learn.microsoft.com/azure/app-service/configure-authentication-user-identities
  auth_settings_v2 {
    auth_enabled           = true
    require_authentication = true
    require_https          = true
    unauthenticated_action = "Return401"

    active_directory_v2 {
      client_id            = var.api.client_id
      tenant_auth_endpoint = "https://login.microsoftonline.com/${data.azurerm_client_config.current.tenant_id}/v2.0"
      allowed_audiences    = ["api://${var.api.client_id}", var.api.client_id]
      allowed_applications = var.api.applications
    }

    login {
      token_store_enabled = false
    }
  }

  app_settings = merge(
    module.settings.environment,
    {
      DISPATCHER_STORE                 = "@Microsoft.KeyVault(SecretUri=${local.secret})"
      AZURE_CLIENT_ID                  = azurerm_user_assigned_identity.api[0].client_id
      AzureWebJobsStorage              = ""
      AzureWebJobsStorage__accountName = azurerm_storage_account.api[0].name
      AzureWebJobsStorage__credential  = "managedidentity"
      AzureWebJobsStorage__clientId    = azurerm_user_assigned_identity.api[0].client_id
    },
    length(var.api.editors) == 0 ? {} : { DISPATCHER_UI_EDITORS = join(",", var.api.editors) },
  )

  depends_on = [azurerm_role_assignment.api_storage]
}
