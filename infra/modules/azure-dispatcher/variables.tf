variable "name" {
  description = "Name of plan, log, identity and alerts. Names that must be unique in all of Azure begin with it."
  type        = string
  default     = "push-dispatcher"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,30}[a-z0-9]$", var.name)) && !strcontains(var.name, "--")
    error_message = "name: 4 to 32 lower-case letters, digits and single hyphens; it begins with a letter and does not end with a hyphen."
  }
}

variable "resource_group_name" {
  description = "The resource group of all resources."
  type        = string
}

variable "location" {
  description = "Region of all resources, as westeurope: one that has Flex Consumption."
  type        = string

  validation {
    condition     = can(regex("^[a-z]+[a-z0-9]*$", var.location))
    error_message = "location: the short name, as westeurope."
  }
}

variable "package" {
  description = "Path of the zip that `dispatcher package --target azure-functions` has built; null where a pipeline deploys it, as by `az functionapp deployment source config-zip`."
  type        = string
  default     = null
}

variable "runtime_version" {
  description = "The Python that the zip was built for, as 3.13."
  type        = string
  default     = "3.13"

  validation {
    condition     = can(regex("^3\\.1[1-9]$", var.runtime_version))
    error_message = "runtime_version: 3.11 or newer."
  }
}

variable "store_url" {
  description = "Address of the PostgreSQL that holds the state, as postgresql://user:password@host:5432/database. It becomes a secret; Terraform's state holds it too."
  type        = string
  default     = null
  sensitive   = true

  validation {
    condition     = var.store_url == null || can(regex("^postgres(ql)?://", var.store_url))
    error_message = "store_url: postgresql://user:password@host:5432/database."
  }
}

variable "create_store_secret" {
  description = "Whether to create a Key Vault with a secret that holds store_url. With false, give store_secret_uri and store_secret_id."
  type        = bool
  default     = true
}

variable "store_secret_uri" {
  description = "URI of a Key Vault secret that holds that address already, in place of store_url: https://VAULT.vault.azure.net/secrets/NAME. Needs create_store_secret = false."
  type        = string
  default     = null

  validation {
    condition     = var.store_secret_uri == null || can(regex("^https://[a-zA-Z0-9-]+\\.vault\\.[a-z.]+/secrets/[a-zA-Z0-9-]+$", var.store_secret_uri))
    error_message = "store_secret_uri: https://VAULT.vault.azure.net/secrets/NAME, without a version."
  }
}

variable "store_secret_id" {
  description = "Resource id of that secret, which the function gets the right to read: /subscriptions/.../vaults/VAULT/secrets/NAME. The vault must use RBAC."
  type        = string
  default     = null

  validation {
    condition     = var.store_secret_id == null || can(regex("^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft.KeyVault/vaults/[^/]+/secrets/[^/]+$", var.store_secret_id))
    error_message = "store_secret_id: /subscriptions/.../providers/Microsoft.KeyVault/vaults/VAULT/secrets/NAME."
  }
}

variable "memory_size" {
  description = "MB of an instance of the function."
  type        = number
  default     = 512

  validation {
    condition     = contains([512, 2048, 4096], var.memory_size)
    error_message = "memory_size: 512, 2048 or 4096, which Flex Consumption has."
  }
}

variable "maximum_instance_count" {
  description = "The most instances at once; the timer takes one."
  type        = number
  default     = 40

  validation {
    condition     = var.maximum_instance_count >= 40 && var.maximum_instance_count <= 1000
    error_message = "maximum_instance_count: 40 to 1000, which Flex Consumption has."
  }
}

variable "timeout" {
  description = "Seconds after which the host ends an invocation: DISPATCHER_TICK_SECONDS and DISPATCHER_MARGIN_SECONDS must fit."
  type        = number
  default     = 90

  validation {
    condition     = var.timeout >= 15 && var.timeout <= 1800
    error_message = "timeout: 15 to 1800 seconds."
  }
}

variable "interval_minutes" {
  description = "Minutes from tick to tick. The schedule, the alert no-ticks and the state NOT_READY of pools follow it."
  type        = number
  default     = 1
}

variable "schedule_enabled" {
  description = "Whether the timer starts ticks. With false nothing is dispatched, and there is no alert no-ticks."
  type        = bool
  default     = true
}

variable "subnet_id" {
  description = "Resource id of a subnet that the function is in, to reach a private PostgreSQL. It must be delegated to Microsoft.App/environments."
  type        = string
  default     = null
}

variable "managed" {
  description = "What work pools of type `managed` are here, as { type = \"azure-container-instance:push\", job_variables = module.pool.job_variables, maximum = { cpu = 4, concurrency = 20 } }. It becomes DISPATCHER_MANAGED; null: there are none."
  type        = any
  default     = null
}

variable "prefect" {
  description = "A self-hosted Prefect server whose push work pools are served; null: none. api_url: its API as the function reaches it, jobs_api_url: as jobs reach it, where that differs; pools: pools of worker types, which are served by name only; image: of flow runs that name none. The package needs the extra `prefect`."
  type        = any
  default     = null
}

variable "environment" {
  description = "Further settings of the function, as DISPATCHER_CREDENTIALS. No secrets, which belong in secret_environment."
  type        = map(string)
  default     = {}

  validation {
    condition     = !contains(keys(var.environment), "AZURE_CLIENT_ID")
    error_message = "environment: AZURE_CLIENT_ID is the module's own."
  }
}

variable "secret_environment" {
  description = "Variables of the function that are secrets, as the secret_variable of a hook: name -> URI and resource id of a Key Vault secret, which the function gets the right to read. The vault must use RBAC."
  type        = map(object({ uri = string, id = string }))
  default     = {}

  validation {
    condition     = alltrue([for each in values(var.secret_environment) : can(regex("^https://[a-zA-Z0-9-]+\\.vault\\.[a-z.]+/secrets/[a-zA-Z0-9-]+$", each.uri))])
    error_message = "secret_environment: uri is https://VAULT.vault.azure.net/secrets/NAME, without a version."
  }

  validation {
    condition     = alltrue([for each in values(var.secret_environment) : can(regex("^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft.KeyVault/vaults/[^/]+/secrets/[^/]+$", each.id))])
    error_message = "secret_environment: id is /subscriptions/.../providers/Microsoft.KeyVault/vaults/VAULT/secrets/NAME."
  }

  validation {
    condition     = alltrue([for name in keys(var.secret_environment) : can(regex("^[A-Z][A-Z0-9_]*$", name)) && !can(regex("^(DISPATCHER|AZURE)_", name))])
    error_message = "secret_environment: names as OPS_HOOK_SECRET, but not the dispatcher's own."
  }
}

variable "pools" {
  description = "By name: the output `dispatcher` of each container-instance-pool that the function serves. Work pools that share a resource group and an identity share an entry."
  type        = map(map(object({ scope = string, role = string })))
  default     = {}
}

variable "api" {
  description = "The HTTP API in an app of its own, behind Microsoft Entra; null: there is none. package: the zip that `dispatcher package --target azure-functions --api` has built; client_id: the application id of the app registration that callers ask tokens for; applications: client ids of the applications that may call it, empty: all that get a token; editors: who may change things, as ada@example.com, the object id of a service principal, or *, the others read; subnet_id: a subnet of its own, to reach a private PostgreSQL."
  type = object({
    package      = string
    client_id    = string
    applications = optional(list(string), [])
    editors      = optional(list(string), [])
    memory_size  = optional(number, 512)
    subnet_id    = optional(string)
  })
  default = null

  validation {
    condition     = contains([512, 2048, 4096], try(var.api.memory_size, 512))
    error_message = "api.memory_size: 512, 2048 or 4096, which Flex Consumption has."
  }
}

variable "log_retention_days" {
  description = "How long the function's log is kept."
  type        = number
  default     = 30

  validation {
    condition     = var.log_retention_days >= 30 && var.log_retention_days <= 730
    error_message = "log_retention_days: 30 to 730."
  }
}

variable "alerts" {
  description = "Whether to create the three alerts."
  type        = bool
  default     = true
}

variable "action_group_ids" {
  description = "Ids of the action groups that alerts go to."
  type        = list(string)
  default     = []
}

variable "tags" {
  description = "Tags of every resource that takes tags."
  type        = map(string)
  default     = {}
}
