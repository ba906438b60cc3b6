# What the modules of 0.1 have made is taken over under the addresses of now.

moved {
  from = azurerm_function_app_flex_consumption.this
  to   = azurerm_function_app_flex_consumption.this["tick"]
}

moved {
  from = azurerm_role_assignment.storage
  to   = azurerm_role_assignment.storage["tick"]
}

moved {
  from = azurerm_role_assignment.store
  to   = azurerm_role_assignment.secrets["tick-store"]
}

moved {
  from = azurerm_service_plan.this
  to   = azurerm_service_plan.this["tick"]
}

moved {
  from = azurerm_storage_account.this
  to   = azurerm_storage_account.this["tick"]
}

moved {
  from = azurerm_storage_container.package
  to   = azurerm_storage_container.package["tick"]
}

moved {
  from = azurerm_user_assigned_identity.function
  to   = azurerm_user_assigned_identity.this["tick"]
}
