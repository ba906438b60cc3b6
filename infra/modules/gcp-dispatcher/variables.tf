variable "name" {
  description = "Name of function, schedule, secret and service accounts."
  type        = string
  default     = "push-dispatcher"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,19}[a-z0-9]$", var.name))
    error_message = "name: 6 to 21 lower-case letters, digits and hyphens; it begins with a letter and does not end with a hyphen."
  }
}

variable "project" {
  description = "Id of the project of all resources."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "project: the id, not the number or the name; 6 to 30 lower-case letters, digits and hyphens."
  }
}

variable "region" {
  description = "Where the function runs."
  type        = string

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "region: as europe-west1."
  }
}

variable "schedule_region" {
  description = "Where Cloud Scheduler runs, if `region` does not have it."
  type        = string
  default     = null
}

variable "package" {
  description = "Path of the zip that `dispatcher package --target google-cloud-function` has built. With package_sha256, a plan or a destroy does not need the file."
  type        = string
  default     = null
}

variable "package_sha256" {
  description = "SHA-256 of that zip in hexadecimal, as `dispatcher package` prints it; otherwise it is computed from the file."
  type        = string
  default     = null

  validation {
    condition     = var.package_sha256 == null || can(regex("^[0-9a-f]{64}$", var.package_sha256))
    error_message = "package_sha256: 64 hexadecimal digits."
  }
}

variable "package_object" {
  description = "An object of Cloud Storage that holds the zip, in place of package. Another zip needs another name."
  type        = object({ bucket = string, name = string })
  default     = null
}

variable "runtime" {
  description = "What the zip was built for, as python313."
  type        = string
  default     = "python313"

  validation {
    condition     = can(regex("^python31[1-9]$", var.runtime))
    error_message = "runtime: python311 or newer."
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
  description = "Whether to create a secret that holds store_url. With false, give store_secret."
  type        = bool
  default     = true
}

variable "store_secret" {
  description = "Id of a secret of Secret Manager in `project` that holds that address already, in place of store_url. Its latest version is taken. Needs create_store_secret = false."
  type        = string
  default     = null

  validation {
    condition     = var.store_secret == null || can(regex("^[a-zA-Z0-9_-]{1,255}$", var.store_secret))
    error_message = "store_secret: the id alone, without projects/.../secrets/."
  }
}

variable "vpc_connector" {
  description = "Full name of a Serverless VPC Access connector through which private addresses are reached, as that of a Cloud SQL instance."
  type        = string
  default     = null
}

variable "network" {
  description = "A VPC that the function reaches directly, without a connector: names of a network, a subnetwork or both, and network tags for firewall rules. egress: PRIVATE_RANGES_ONLY or ALL_TRAFFIC. With Shared VPC, full names. In place of vpc_connector."
  type        = object({ network = optional(string), subnetwork = optional(string), tags = optional(list(string), []), egress = optional(string, "PRIVATE_RANGES_ONLY") })
  default     = null

  validation {
    condition     = var.network == null || try(var.network.network, null) != null || try(var.network.subnetwork, null) != null
    error_message = "network: name the network, the subnetwork or both."
  }

  validation {
    condition     = contains(["PRIVATE_RANGES_ONLY", "ALL_TRAFFIC"], try(var.network.egress, "ALL_TRAFFIC"))
    error_message = "network: egress is PRIVATE_RANGES_ONLY or ALL_TRAFFIC."
  }
}

variable "cpu" {
  description = "CPUs of the function."
  type        = string
  default     = "1"

  validation {
    condition     = contains(["0.333", "0.583", "1", "2", "4"], var.cpu)
    error_message = "cpu: 0.333, 0.583, 1, 2 or 4."
  }
}

variable "memory_size" {
  description = "MiB of the function."
  type        = number
  default     = 512

  validation {
    condition     = var.memory_size >= 256 && var.memory_size <= 16384
    error_message = "memory_size: 256 to 16384 MiB."
  }
}

variable "timeout" {
  description = "Seconds after which the function is ended: DISPATCHER_TICK_SECONDS, DISPATCHER_MARGIN_SECONDS and the time of a cold start."
  type        = number
  default     = 90

  validation {
    condition     = var.timeout >= 15 && var.timeout <= 1800
    error_message = "timeout: 15 to 1800 seconds, the longest that Cloud Scheduler waits."
  }
}

variable "max_instance_count" {
  description = "The most ticks at once. Overlaps are safe: this bounds cost, not correctness."
  type        = number
  default     = 3
}

variable "ingress" {
  description = "Who may reach the function at all; every call needs a token."
  type        = string
  default     = "ALLOW_ALL"

  validation {
    condition     = contains(["ALLOW_ALL", "ALLOW_INTERNAL_ONLY", "ALLOW_INTERNAL_AND_GCLB"], var.ingress)
    error_message = "ingress: ALLOW_ALL, ALLOW_INTERNAL_ONLY or ALLOW_INTERNAL_AND_GCLB."
  }
}

variable "interval_minutes" {
  description = "Minutes from tick to tick. The schedule, the alert no-ticks and the state NOT_READY of pools follow it."
  type        = number
  default     = 1
}

variable "schedule_enabled" {
  description = "Whether the schedule starts ticks. With false nothing is dispatched, and there is no alert no-ticks."
  type        = bool
  default     = true
}

variable "managed" {
  description = "What work pools of type `managed` are here, as { type = \"cloud-run-v2:push\", job_variables = module.pool.job_variables, maximum = { cpu = 4, concurrency = 20 } }. It becomes DISPATCHER_MANAGED; null: there are none."
  type        = any
  default     = null
}

variable "prefect" {
  description = "A self-hosted Prefect server whose push work pools are served; null: none. api_url: its API as the function reaches it, jobs_api_url: as jobs reach it, where that differs; pools: pools of worker types, which are served by name only; image: of flow runs that name none. The package needs the extra `prefect`."
  type        = any
  default     = null
}

variable "environment" {
  description = "Further settings of the function, as DISPATCHER_CREDENTIALS. No secrets, which belong in secret_environment: Google shows these to whoever may read the function."
  type        = map(string)
  default     = {}
}

variable "secret_environment" {
  description = "Variables of the function that are secrets, as the secret_variable of a hook: name -> id of a secret of Secret Manager in `project`, which the function gets the right to read. Its latest version is taken."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for id in values(var.secret_environment) : can(regex("^[a-zA-Z0-9_-]{1,255}$", id))])
    error_message = "secret_environment: the ids alone, without projects/.../secrets/."
  }

  validation {
    condition     = alltrue([for name in keys(var.secret_environment) : can(regex("^[A-Z][A-Z0-9_]*$", name)) && !startswith(name, "DISPATCHER_")])
    error_message = "secret_environment: names as OPS_HOOK_SECRET, but not the dispatcher's own."
  }
}

variable "pools" {
  description = "By name: the output `dispatcher` of each cloud-run-pool that the function serves. Work pools that share a project and a service account share an entry."
  type        = map(object({ project = string, role = string, service_account = string }))
  default     = {}
}

variable "state_changes" {
  description = "Whether the ends of Cloud Run jobs start the function too, which frees their slots at once and not at the next tick."
  type        = bool
  default     = true
}

variable "api" {
  description = "The HTTP API in a function of its own, which IAM guards; null: there is none. callers: e-mail addresses of the service accounts that may call it; editors: which of them may change things, or *, the others read; package or package_object: the zip that `dispatcher package --api` has built, where it is not the dispatcher's own."
  type = object({
    callers            = list(string)
    editors            = optional(list(string), [])
    package            = optional(string)
    package_sha256     = optional(string)
    package_object     = optional(object({ bucket = string, name = string }))
    memory_size        = optional(number, 512)
    max_instance_count = optional(number, 3)
  })
  default = null

  validation {
    condition     = alltrue([for caller in try(var.api.callers, []) : can(regex("^[a-z0-9-]+@[a-z0-9.-]+\\.gserviceaccount\\.com$", caller))])
    error_message = "api.callers: e-mail addresses of service accounts, as deploy@acme-jobs.iam.gserviceaccount.com; nobody else may call."
  }

  validation {
    condition     = var.api == null || length(try(var.api.callers, [])) > 0
    error_message = "api.callers: name who may call it; nobody else can."
  }
}

variable "alerts" {
  description = "Whether to create the three alert policies."
  type        = bool
  default     = true
}

variable "notification_channels" {
  description = "Names of the notification channels that alerts go to, as projects/PROJECT/notificationChannels/ID."
  type        = list(string)
  default     = []
}

variable "labels" {
  description = "Labels of every resource that takes labels."
  type        = map(string)
  default     = {}
}
