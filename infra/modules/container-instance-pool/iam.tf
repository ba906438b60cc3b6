# What a dispatcher may do in the resource group, and nothing else.
resource "azurerm_role_definition" "dispatcher" {
  name              = "${var.name}-dispatcher"
  description       = "Creates, follows, stops and removes container groups"
  scope             = local.group.id
  assignable_scopes = [local.group.id]

  permissions {
    actions = [
      "Microsoft.ContainerInstance/containerGroups/containers/logs/read",
      "Microsoft.ContainerInstance/containerGroups/delete",
      "Microsoft.ContainerInstance/containerGroups/read",
      "Microsoft.ContainerInstance/containerGroups/stop/action",
      "Microsoft.ContainerInstance/containerGroups/write",
      "Microsoft.Resources/subscriptions/resourceGroups/read", # for its region, where the job variables name none
    ]
  }
}

# To give jobs their identity: a role of its own, so that it can hold for that one identity.
resource "azurerm_role_definition" "identity" {
  name              = "${var.name}-identity"
  description       = "Gives the identity of the jobs to container groups"
  scope             = local.group.id
  assignable_scopes = [local.group.id]

  permissions {
    actions = ["Microsoft.ManagedIdentity/userAssignedIdentities/assign/action"]
  }
}

# To put jobs into subnets, which may be in another resource group.
resource "azurerm_role_definition" "subnet" {
  for_each = local.subnets

  name              = "${var.name}-subnet-${each.key}"
  description       = "Puts container groups into a subnet"
  scope             = join("/", slice(split("/", each.value), 0, 5))
  assignable_scopes = [join("/", slice(split("/", each.value), 0, 5))]

  permissions {
    actions = ["Microsoft.Network/virtualNetworks/subnets/join/action"]
  }
}

locals {
  subnets = { for index, id in var.subnet_ids : tostring(index) => id }
}

# What the jobs themselves may do.
resource "azurerm_role_assignment" "job" {
  for_each = var.job_rights

  scope                = each.value.scope
  role_definition_name = each.value.role
  principal_id         = azurerm_user_assigned_identity.job.principal_id
  principal_type       = "ServicePrincipal"
}
