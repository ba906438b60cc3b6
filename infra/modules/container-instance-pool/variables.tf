variable "name" {
  description = "Name of the pool's resource group, identity and roles. Names of roles are unique in a tenant."
  type        = string

  validation {
    condition     = can(regex("^[a-zA-Z0-9][a-zA-Z0-9_-]{1,60}[a-zA-Z0-9]$", var.name))
    error_message = "name: 3 to 62 letters, digits, hyphens and underscores."
  }
}

variable "create_resource_group" {
  description = "Whether to create a resource group, which is the better choice: the dispatcher may remove every container group in it. With false, give resource_group_name."
  type        = bool
  default     = true
}

variable "resource_group_name" {
  description = "Name of an existing resource group. Needs create_resource_group = false."
  type        = string
  default     = null
}

variable "location" {
  description = "Where the jobs run, as westeurope."
  type        = string

  validation {
    condition     = can(regex("^[a-z]+[a-z0-9]*$", var.location))
    error_message = "location: the short name, as westeurope."
  }
}

variable "subnet_ids" {
  description = "Resource ids of the subnets that jobs run in; they must be delegated to Microsoft.ContainerInstance/containerGroups."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for id in var.subnet_ids : can(regex("^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft.Network/virtualNetworks/[^/]+/subnets/[^/]+$", id))])
    error_message = "subnet_ids: /subscriptions/.../providers/Microsoft.Network/virtualNetworks/NETWORK/subnets/SUBNET."
  }
}

variable "job_rights" {
  description = "What the jobs may do, by a name of your choice: a built-in role and where, as { role = \"AcrPull\", scope = REGISTRY_ID }. Without any, the jobs have no rights."
  type        = map(object({ role = string, scope = string }))
  default     = {}

  validation {
    condition     = length(setintersection([for each in values(var.job_rights) : each.role], ["Owner", "Contributor", "Reader", "User Access Administrator"])) == 0
    error_message = "job_rights: Owner, Contributor, Reader and User Access Administrator are rights on everything; name the roles that the jobs need, as AcrPull."
  }
}

variable "tags" {
  description = "Tags of every resource that takes tags."
  type        = map(string)
  default     = {}
}
