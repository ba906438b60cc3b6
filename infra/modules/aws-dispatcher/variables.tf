variable "name" {
  description = "What function, table, queue, roles and log group are called."
  type        = string
  default     = "push-dispatcher"

  validation {
    condition     = can(regex("^[a-zA-Z0-9][a-zA-Z0-9_-]{1,47}$", var.name))
    error_message = "name: 2 to 48 letters, digits, hyphens and underscores."
  }
}

variable "package" {
  description = "Path of the zip that `dispatcher package --target aws-lambda` has built."
  type        = string
}

variable "architecture" {
  description = "What the zip was built for: arm64 or x86_64."
  type        = string
  default     = "arm64"

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "architecture: arm64 or x86_64."
  }
}

variable "runtime" {
  description = "What the zip was built for, as python3.13."
  type        = string
  default     = "python3.13"

  validation {
    condition     = can(regex("^python3\\.1[1-9]$", var.runtime))
    error_message = "runtime: python3.11 or newer."
  }
}

variable "memory_size" {
  description = "MiB of the function; Lambda gives CPU in proportion."
  type        = number
  default     = 512

  validation {
    condition     = var.memory_size >= 256 && var.memory_size <= 10240
    error_message = "memory_size: 256 to 10240 MiB."
  }
}

variable "timeout" {
  description = "Seconds after which Lambda ends an invocation: DISPATCHER_TICK_SECONDS, DISPATCHER_MARGIN_SECONDS and the time of a cold start."
  type        = number
  default     = 90

  validation {
    condition     = var.timeout >= 15 && var.timeout <= 900
    error_message = "timeout: 15 to 900 seconds."
  }
}

variable "reserved_concurrent_executions" {
  description = "Invocations at once, at most; null takes part in what the account has. Overlaps are safe: this bounds cost, not correctness."
  type        = number
  default     = null
}

variable "schedule_expression" {
  description = "When EventBridge Scheduler starts a tick, as rate(1 minute) or cron(...)."
  type        = string
  default     = "rate(1 minute)"
}

variable "environment" {
  description = "Further settings of the function, as DISPATCHER_FAN_OUT. No secrets: Lambda shows them to whoever may read the function."
  type        = map(string)
  default     = {}

  validation {
    condition     = !contains(keys(var.environment), "DISPATCHER_STORE")
    error_message = "environment: DISPATCHER_STORE is the module's table."
  }
}

variable "pools" {
  description = "By name: the output `dispatcher` of each ecs-pool that the function serves."
  type        = map(object({ cluster_arn = string, policy = string }))
  default     = {}

  validation {
    condition     = length(var.pools) <= 10
    error_message = "pools: at most 10; a role takes 10 kB of policies. Work pools that share a cluster and roles share an entry."
  }
}

variable "policies" {
  description = "By name: further policies of the function's role, as the output `policy` of aws-to-azure."
  type        = map(string)
  default     = {}
}

variable "state_changes" {
  description = "Whether the ends of ECS tasks start the function too, which frees their slots at once and not at the next tick."
  type        = bool
  default     = true
}

variable "deletion_protection" {
  description = "Whether the table refuses to be destroyed. It holds the state of every run."
  type        = bool
  default     = true
}

variable "log_retention_days" {
  description = "How long the function's log is kept."
  type        = number
  default     = 30
}

variable "alarm_actions" {
  description = "ARNs that alarms notify, as an SNS topic."
  type        = list(string)
  default     = []
}

variable "tags" {
  description = "Tags of everything that has tags."
  type        = map(string)
  default     = {}
}
