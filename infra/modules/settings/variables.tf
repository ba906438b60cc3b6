variable "environment" {
  description = "Settings of the function, as DISPATCHER_CREDENTIALS, and further variables."
  type        = map(string)
}

variable "managed" {
  description = "The value of DISPATCHER_MANAGED; null: it is not set."
  type        = any
  default     = null

  validation {
    condition     = var.managed == null || can(tostring(var.managed.type))
    error_message = "managed: an object with type, and job_variables and maximum where they are needed."
  }
}

variable "prefect" {
  description = "A self-hosted Prefect server whose push work pools are served; null: none. api_url: its API as the function reaches it, jobs_api_url: as jobs reach it, where that differs; pools: pools of worker types, which are served by name only; image: of flow runs that name none. The package needs the extra `prefect`."
  type = object({
    api_url      = string
    jobs_api_url = optional(string)
    pools        = optional(list(string), [])
    image        = optional(string)
  })
  default = null

  validation {
    condition     = var.prefect == null || can(regex("^https?://[^@ ]+$", var.prefect.api_url))
    error_message = "prefect.api_url: an address without a user or a password, as http://prefect:4200/api."
  }
}

variable "timeout" {
  description = "Seconds after which the platform ends an invocation."
  type        = number
}

variable "interval_minutes" {
  description = "Minutes from tick to tick."
  type        = number

  validation {
    condition     = contains([1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60], var.interval_minutes)
    error_message = "interval_minutes: 1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30 or 60."
  }
}
