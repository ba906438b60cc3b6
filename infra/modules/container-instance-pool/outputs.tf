output "dispatcher" {
  description = "What azure-dispatcher and aws-to-azure take in `pools`: the roles that a dispatcher needs, and where."
  value = merge(
    {
      groups   = { scope = local.group.id, role = azurerm_role_definition.dispatcher.role_definition_resource_id }
      identity = { scope = azurerm_user_assigned_identity.job.id, role = azurerm_role_definition.identity.role_definition_resource_id }
    },
    {
      for index, id in local.subnets :
      "subnet-${index}" => { scope = id, role = azurerm_role_definition.subnet[index].role_definition_resource_id }
    },
  )
}

output "job_variables" {
  description = "Defaults for the variables of the pool's base job template, as azure-container-instance:push has them."
  value = merge(
    {
      subscription_id     = data.azurerm_client_config.current.subscription_id
      resource_group_name = local.group.name
      location            = var.location
      identities          = [azurerm_user_assigned_identity.job.id]
    },
    { for name, value in { subnet_ids = var.subnet_ids } : name => value if length(value) > 0 },
  )
}

output "identity_id" {
  description = "The identity of the jobs."
  value       = azurerm_user_assigned_identity.job.id
}

output "resource_group_id" {
  description = "Where the container groups are."
  value       = local.group.id
}
