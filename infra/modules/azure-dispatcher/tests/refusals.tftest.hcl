# What the cloud would refuse, or nobody should want, is refused before anything is made.

variables {
  resource_group_name = "dispatch"
  location            = "westeurope"
  store_url           = "postgresql://u:p@h/d"
}

run "the_defaults_do" {
  command = plan
}

run "a_secret_that_is_there_already_does" {
  command = plan

  variables {
    store_url           = null
    create_store_secret = false
    store_secret_uri    = "https://ours.vault.azure.net/secrets/store"
    store_secret_id     = "/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/ours/secrets/store"
  }
}

run "no_store_at_all" {
  command = plan

  variables {
    store_url = null
  }

  expect_failures = [azurerm_key_vault_secret.store]
}

run "a_store_of_another_kind" {
  command = plan

  variables {
    store_url = "mysql://h/d"
  }

  expect_failures = [var.store_url]
}

run "a_secret_in_one_version" {
  command = plan

  variables {
    store_secret_uri = "https://ours.vault.azure.net/secrets/store/0123"
  }

  expect_failures = [var.store_secret_uri]
}

run "a_secret_by_its_address_where_its_id_belongs" {
  command = plan

  variables {
    store_secret_id = "https://ours.vault.azure.net/secrets/store"
  }

  expect_failures = [var.store_secret_id]
}

run "a_name_with_two_hyphens" {
  command = plan

  variables {
    name = "push--dispatcher"
  }

  expect_failures = [var.name]
}

run "a_location_in_words" {
  command = plan

  variables {
    location = "West Europe"
  }

  expect_failures = [var.location]
}

run "a_runtime_of_another_cloud" {
  command = plan

  variables {
    runtime_version = "python3.13"
  }

  expect_failures = [var.runtime_version]
}

run "a_size_that_there_is_not" {
  command = plan

  variables {
    memory_size = 1024
  }

  expect_failures = [var.memory_size]
}

run "fewer_instances_than_there_can_be" {
  command = plan

  variables {
    maximum_instance_count = 1
  }

  expect_failures = [var.maximum_instance_count]
}

run "a_timeout_of_an_hour" {
  command = plan

  variables {
    timeout = 3600
  }

  expect_failures = [var.timeout]
}

run "a_log_of_a_day" {
  command = plan

  variables {
    log_retention_days = 1
  }

  expect_failures = [var.log_retention_days]
}

run "the_secret_of_a_hook" {
  command = plan

  variables {
    secret_environment = {
      OPS_HOOK_SECRET = {
        uri = "https://ours.vault.azure.net/secrets/ops"
        id  = "/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/ours/secrets/ops"
      }
    }
  }

  assert {
    condition     = azurerm_role_assignment.secrets["OPS_HOOK_SECRET"].scope == var.secret_environment["OPS_HOOK_SECRET"].id
    error_message = "The function may read it."
  }

  assert {
    condition     = azurerm_function_app_flex_consumption.this["tick"].app_settings.OPS_HOOK_SECRET == "@Microsoft.KeyVault(SecretUri=https://ours.vault.azure.net/secrets/ops)"
    error_message = "The function gets a reference, not the secret."
  }
}

run "a_hooks_secret_without_its_resource" {
  command = plan

  variables {
    secret_environment = { OPS_HOOK_SECRET = { uri = "https://ours.vault.azure.net/secrets/ops", id = "ops" } }
  }

  expect_failures = [var.secret_environment]
}

run "a_secret_given_and_made" {
  command = plan

  variables {
    store_secret_uri = "https://ours.vault.azure.net/secrets/store"
  }

  expect_failures = [azurerm_key_vault_secret.store]
}

run "values_that_are_not_known_yet" {
  command = plan

  module {
    source = "./tests/unknown"
  }
}

run "one_interval_everywhere" {
  command = plan

  variables {
    interval_minutes = 15
  }

  assert {
    condition     = azurerm_function_app_flex_consumption.this["tick"].app_settings.DISPATCHER_SCHEDULE == "0 */15 * * * *" && azurerm_function_app_flex_consumption.this["tick"].app_settings.DISPATCHER_TICK_INTERVAL_SECONDS == "900"
    error_message = "Schedule and heartbeat go by the interval."
  }

  assert {
    condition     = azurerm_monitor_scheduled_query_rules_alert_v2.this["no-ticks"].window_duration == "PT45M"
    error_message = "The alert goes by the interval: three of them."
  }
}

run "an_hour" {
  command = plan

  variables {
    interval_minutes = 60
  }

  assert {
    condition     = azurerm_monitor_scheduled_query_rules_alert_v2.this["no-ticks"].window_duration == "PT3H"
    error_message = "The alert goes by the interval: three of them."
  }
}

run "a_schedule_that_is_off" {
  command = plan

  variables {
    schedule_enabled = false
  }

  assert {
    condition     = azurerm_function_app_flex_consumption.this["tick"].app_settings.AzureWebJobs__tick__Disabled == "true" && !contains(keys(azurerm_monitor_scheduled_query_rules_alert_v2.this), "no-ticks")
    error_message = "No ticks are no alert then."
  }
}

run "a_function_in_a_network" {
  command = plan

  variables {
    subnet_id = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/n/subnets/functions"
  }

  assert {
    condition     = azurerm_function_app_flex_consumption.this["tick"].virtual_network_subnet_id == "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/n/subnets/functions"
    error_message = "The function is in the subnet."
  }
}

run "a_zip_that_somebody_else_deploys" {
  command = plan

  variables {
    package = null
  }
}

run "without_the_api_there_is_none" {
  command = plan

  assert {
    condition     = keys(azurerm_function_app_flex_consumption.this) == ["tick"] && keys(azurerm_storage_account.this) == ["tick"] && output.api_url == null
    error_message = "The API is there only where it is asked for."
  }
}

run "an_api_of_another_size" {
  command = plan

  variables {
    api = { package = "api.zip", client_id = "00000000-0000-0000-0000-0000000000aa", memory_size = 1024 }
  }

  expect_failures = [var.api]
}
