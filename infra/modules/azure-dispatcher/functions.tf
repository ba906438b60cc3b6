# The function apps: `tick`, and `api` where it is asked for. They are made alike, each with an identity, a storage account and a plan
# of its own; what they do not share stands in local.functions.

module "settings" {
  source = "../settings"

  environment      = var.environment
  managed          = var.managed
  prefect          = var.prefect
  timeout          = var.timeout
  interval_minutes = var.interval_minutes
}

locals {
  # What has to be unique in all of Azure ends with this.
  suffix = substr(sha256("${data.azurerm_client_config.current.subscription_id}/${var.resource_group_name}/${var.name}"), 0, 6)

  # How those names begin, which may have 24 characters in all.
  short = { tick = trimsuffix(substr(var.name, 0, 17), "-"), api = "${trimsuffix(substr(var.name, 0, 13), "-")}-api" }

  # hh:mm:ss, as the Functions host reads it
  time_limit = format("%02d:%02d:%02d", floor(var.timeout / 3600), floor(var.timeout % 3600 / 60), var.timeout % 60)

  functions = merge(
    {
      tick = {
        name        = var.name
        package     = var.package
        memory_size = var.memory_size
        subnet_id   = var.subnet_id
        settings = merge(
          { for name, each in var.secret_environment : name => "@Microsoft.KeyVault(SecretUri=${each.uri})" },
          {
            DISPATCHER_SCHEDULE                    = "0 ${module.settings.cron}" # NCRONTAB has seconds
            DISPATCHER_TIMEOUT_SECONDS             = tostring(var.timeout)
            AzureFunctionsJobHost__functionTimeout = local.time_limit
          },
          # Flex Consumption takes no dots in names: https://learn.microsoft.com/azure/azure-functions/disable-function
          { for name, value in { AzureWebJobs__tick__Disabled = "true" } : name => value if !var.schedule_enabled },
        )
      }
    },
    {
      # Secrets of hooks are for ticks.
      for function, api in { api = var.api } : function => {
        name                     = "${var.name}-api"
        package                  = api.package
        memory_size              = api.memory_size
        subnet_id                = api.subnet_id
        settings                 = length(api.editors) == 0 ? {} : { DISPATCHER_UI_EDITORS = join(",", api.editors) }
      } if api != null
    },
  )
}

# The package, and the locks by which the host starts one tick at a time. Nobody gets in with a key. The API has its own: whoever may
# write the dispatcher's could change what it runs.
resource "azurerm_storage_account" "this" {
  for_each = local.functions

  name                            = "${replace(local.short[each.key], "-", "")}${local.suffix}"
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
  for_each = local.functions

  name                  = "package"
  storage_account_id    = azurerm_storage_account.this[each.key].id
  container_access_type = "private"
}

# Flex Consumption has one app for a plan.
resource "azurerm_service_plan" "this" {
  for_each = local.functions

  name                = each.value.name
  resource_group_name = var.resource_group_name
  location            = var.location
  os_type             = "Linux"
  sku_name            = "FC1"
  tags                = var.tags
}

resource "azurerm_function_app_flex_consumption" "this" {
  for_each = local.functions

  name                = "${local.short[each.key]}-${local.suffix}"
  resource_group_name = var.resource_group_name
  location            = var.location
  service_plan_id     = azurerm_service_plan.this[each.key].id
  https_only          = true

  # Everything that the function calls goes through the subnet, so that a private PostgreSQL is in reach.
  virtual_network_subnet_id = each.value.subnet_id

  tags = var.tags

  runtime_name           = "python"
  runtime_version        = var.runtime_version
  instance_memory_in_mb  = each.value.memory_size
  maximum_instance_count = var.maximum_instance_count

  storage_container_type            = "blobContainer"
  storage_container_endpoint        = "${azurerm_storage_account.this[each.key].primary_blob_endpoint}${azurerm_storage_container.package[each.key].name}"
  storage_authentication_type       = "UserAssignedIdentity"
  storage_user_assigned_identity_id = azurerm_user_assigned_identity.this[each.key].id

  zip_deploy_file                                = each.value.package
  webdeploy_publish_basic_authentication_enabled = false

  identity {
    # The system's reads the secret: this resource cannot say that another one should.
    type         = "SystemAssigned, UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.this[each.key].id]
  }

  site_config {
    application_insights_connection_string = azurerm_application_insights.this.connection_string
    minimum_tls_version                    = "1.2"
  }

  # Takes the headers that name somebody out of every request, and writes those of who was authenticated.
  # https://learn.microsoft.com/azure/app-service/configure-authentication-user-identities
  dynamic "auth_settings_v2" {
    for_each = each.key == "api" ? [var.api] : []
    content {
      auth_enabled           = true
      require_authentication = true
      require_https          = true
      unauthenticated_action = "Return401"

      active_directory_v2 {
        client_id            = auth_settings_v2.value.client_id
        tenant_auth_endpoint = "https://login.microsoftonline.com/${data.azurerm_client_config.current.tenant_id}/v2.0"
        allowed_audiences    = ["api://${auth_settings_v2.value.client_id}", auth_settings_v2.value.client_id]
        allowed_applications = auth_settings_v2.value.applications
      }

      login {
        token_store_enabled = false
      }
    }
  }

  app_settings = merge(module.settings.environment, each.value.settings, {
    DISPATCHER_STORE = "@Microsoft.KeyVault(SecretUri=${local.secret})"
    AZURE_CLIENT_ID  = azurerm_user_assigned_identity.this[each.key].client_id # whom the dispatcher acts as

    # Without the first, the provider makes one up from a key that may not be used:
    # https://github.com/hashicorp/terraform-provider-azurerm/issues/29149
    AzureWebJobsStorage              = ""
    AzureWebJobsStorage__accountName = azurerm_storage_account.this[each.key].name
    AzureWebJobsStorage__credential  = "managedidentity"
    AzureWebJobsStorage__clientId    = azurerm_user_assigned_identity.this[each.key].client_id
  })

  # The package is fetched by this identity while the app is made.
  depends_on = [azurerm_role_assignment.storage, azurerm_role_assignment.pools]
}
