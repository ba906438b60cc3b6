# push-dispatcher on Azure: the function, its log, and its store's address. The store is a PostgreSQL that is there already.

data "azurerm_client_config" "current" {}

locals {
  # What has to be unique in all of Azure ends with this.
  suffix = substr(sha256("${data.azurerm_client_config.current.subscription_id}/${var.resource_group_name}/${var.name}"), 0, 6)
  short  = trimsuffix(substr(var.name, 0, 17), "-")
  secret = var.create_store_secret ? one(azurerm_key_vault_secret.store[*].versionless_id) : var.store_secret_uri

  secret_environment = { for name, each in var.secret_environment : name => "@Microsoft.KeyVault(SecretUri=${each.uri})" }

  # Flex Consumption takes no dots in names: https://learn.microsoft.com/azure/azure-functions/disable-function
  disabled = { for name, value in { AzureWebJobs__tick__Disabled = "true" } : name => value if !var.schedule_enabled }

  # hh:mm:ss, as the Functions host reads it
  time_limit = format("%02d:%02d:%02d", floor(var.timeout / 3600), floor(var.timeout % 3600 / 60), var.timeout % 60)
}

module "settings" {
  source = "../settings"

  environment      = var.environment
  managed          = var.managed
  prefect          = var.prefect
  timeout          = var.timeout
  interval_minutes = var.interval_minutes
}

# The package, and the locks by which the host starts one tick at a time. Nobody gets in with a key.
resource "azurerm_storage_account" "this" {
  name                            = "${replace(local.short, "-", "")}${local.suffix}"
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

resource "azurerm_storage_container" "package" {
  name                  = "package"
  storage_account_id    = azurerm_storage_account.this.id
  container_access_type = "private"
}

resource "azurerm_key_vault" "this" {
  count = var.create_store_secret ? 1 : 0

  name                       = "${local.short}${local.suffix}"
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

resource "azurerm_service_plan" "this" {
  name                = var.name
  resource_group_name = var.resource_group_name
  location            = var.location
  os_type             = "Linux"
  sku_name            = "FC1" # Flex Consumption
  tags                = var.tags
}

resource "azurerm_function_app_flex_consumption" "this" {
  name                = "${local.short}-${local.suffix}"
  resource_group_name = var.resource_group_name
  location            = var.location
  service_plan_id     = azurerm_service_plan.this.id
  https_only          = true

  # Everything that the function calls goes through the subnet, so that a private PostgreSQL is in reach.
  virtual_network_subnet_id = var.subnet_id

  tags = var.tags

  runtime_name           = "python"
  runtime_version        = var.runtime_version
  instance_memory_in_mb  = var.memory_size
  maximum_instance_count = var.maximum_instance_count

  storage_container_type            = "blobContainer"
  storage_container_endpoint        = "${azurerm_storage_account.this.primary_blob_endpoint}${azurerm_storage_container.package.name}"
  storage_authentication_type       = "UserAssignedIdentity"
  storage_user_assigned_identity_id = azurerm_user_assigned_identity.function.id

  zip_deploy_file                                = var.package
  webdeploy_publish_basic_authentication_enabled = false

  identity {
    # The system's reads the secret: this resource cannot say that another one should.
    type         = "SystemAssigned, UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.function.id]
  }

  site_config {
    application_insights_connection_string = azurerm_application_insights.this.connection_string
    minimum_tls_version                    = "1.2"
  }

  app_settings = merge(module.settings.environment, local.secret_environment, local.disabled, {
    DISPATCHER_STORE                       = "@Microsoft.KeyVault(SecretUri=${local.secret})"
    DISPATCHER_SCHEDULE                    = "0 ${module.settings.cron}" # NCRONTAB has seconds
    DISPATCHER_TIMEOUT_SECONDS             = tostring(var.timeout)
    AzureFunctionsJobHost__functionTimeout = local.time_limit
    AZURE_CLIENT_ID                        = azurerm_user_assigned_identity.function.client_id # whom the dispatcher acts as

    # Without the first, the provider makes one up from a key that may not be used:
    # https://github.com/hashicorp/terraform-provider-azurerm/issues/29149
    AzureWebJobsStorage              = ""
    AzureWebJobsStorage__accountName = azurerm_storage_account.this.name
    AzureWebJobsStorage__credential  = "managedidentity"
    AzureWebJobsStorage__clientId    = azurerm_user_assigned_identity.function.client_id
  })

  # The package is fetched by this identity while the app is made.
  depends_on = [azurerm_role_assignment.storage, azurerm_role_assignment.pools]
}
