output "function_name" {
  description = "Name of the function app, to read the log and to deploy another zip."
  value       = azurerm_function_app_flex_consumption.this["tick"].name
}

output "identity_client_id" {
  description = "The client id that the function acts as."
  value       = azurerm_user_assigned_identity.this["tick"].client_id
}

output "identity_principal_id" {
  description = "The principal that other resource groups and clouds must trust."
  value       = azurerm_user_assigned_identity.this["tick"].principal_id
}

output "workspace_id" {
  description = "The log: a Log Analytics workspace."
  value       = azurerm_log_analytics_workspace.this.workspace_id
}

output "api_url" {
  description = "Where the HTTP API answers; null without `api`."
  value       = var.api == null ? null : "https://${azurerm_function_app_flex_consumption.this["api"].default_hostname}"
}
