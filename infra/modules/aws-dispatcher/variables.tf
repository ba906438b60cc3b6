variable "name" {
  description = "Name of function, table, queue, roles and log group. The roles also carry the region, since IAM is global."
  type        = string
  default     = "push-dispatcher"

  validation {
    condition     = can(regex("^[a-zA-Z0-9][a-zA-Z0-9_-]{1,38}$", var.name))
    error_message = "name: 2 to 39 letters, digits, hyphens and underscores."
  }
}

variable "package" {
  description = "Path of the zip that `dispatcher package --target aws-lambda` has built. A plan or a destroy does not need the file."
  type        = string
  default     = null
}

variable "s3_bucket" {
  description = "Bucket of an object that holds the zip, in place of package."
  type        = string
  default     = null
}

variable "s3_key" {
  description = "Key of that object."
  type        = string
  default     = null
}

variable "package_sha256" {
  description = "SHA-256 of the zip in base64, which makes another zip under the same key a change: `openssl dgst -sha256 -binary function.zip | base64`."
  type        = string
  default     = null

  validation {
    condition     = var.package_sha256 == null || can(regex("^[A-Za-z0-9+/]{43}=$", var.package_sha256))
    error_message = "package_sha256: 44 characters of base64, as `openssl dgst -sha256 -binary function.zip | base64` prints them."
  }
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
  description = "The most invocations at once; null: as many as the account allows. Overlaps are safe: this bounds cost, not correctness."
  type        = number
  default     = null
}

variable "interval_minutes" {
  description = "Minutes from tick to tick. The schedule, the alarm no-ticks and the state NOT_READY of pools follow it."
  type        = number
  default     = 1
}

variable "schedule_enabled" {
  description = "Whether the schedule starts ticks. With false nothing is dispatched, and there is no alarm no-ticks."
  type        = bool
  default     = true
}

variable "managed" {
  description = "What work pools of type `managed` are here, as { type = \"ecs:push\", job_variables = module.pool.job_variables, maximum = { cpu = 4, concurrency = 20 } }. It becomes DISPATCHER_MANAGED; null: there are none."
  type        = any
  default     = null
}

variable "prefect" {
  description = "A self-hosted Prefect server whose push work pools are served; null: none. api_url: its API as the function reaches it, jobs_api_url: as jobs reach it, where that differs; pools: pools of worker types, which are served by name only; image: of flow runs that name none. The package needs the extra `prefect`."
  type        = any
  default     = null
}

variable "environment" {
  description = "Further settings of the function, as DISPATCHER_FAN_OUT. No secrets: Lambda shows them to whoever may read the function."
  type        = map(string)
  default     = {}
}

variable "secret_environment" {
  description = "Variables of the function that are secrets, as PREFECT_API_KEY or the secret_variable of a hook: name -> ARN of the secret of Secrets Manager whose text is the value; the function gets the right to read it. It reads them when it starts."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for arn in values(var.secret_environment) : can(regex("^arn:[a-z-]+:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:", arn))])
    error_message = "secret_environment: ARNs as arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME."
  }

  validation {
    condition     = alltrue([for name in keys(var.secret_environment) : can(regex("^[A-Z][A-Z0-9_]*$", name)) && !startswith(name, "DISPATCHER_")])
    error_message = "secret_environment: names as OPS_HOOK_SECRET, but not the dispatcher's own."
  }
}

variable "create_table" {
  description = "Whether to create the DynamoDB table. With false, name an existing one in table_name, or a secret in store_secret_arn."
  type        = bool
  default     = true
}

variable "table_name" {
  description = "Name of the table, where it is not `name`: an existing one, one that was restored, or the old one after a change of `name`."
  type        = string
  default     = null

  validation {
    condition     = var.table_name == null || can(regex("^[a-zA-Z0-9_.-]{3,255}$", var.table_name))
    error_message = "table_name: the name, not the ARN."
  }
}

variable "store_secret_arn" {
  description = "ARN of a Secrets Manager secret that holds the address of a PostgreSQL, as postgresql://user:password@host:5432/database, in place of a table. Needs create_table = false, and a zip built with --extras aws,postgres."
  type        = string
  default     = null
}

variable "pools" {
  description = "By name: the output `dispatcher` of each ecs-pool that the function serves. Work pools that share a cluster and roles share an entry."
  type        = map(object({ cluster_arn = string, policy = string }))
  default     = {}

  validation {
    condition     = alltrue([for name in keys(var.pools) : can(regex("^[a-zA-Z0-9+=,.@_-]{1,32}$", name))])
    error_message = "pools: names of 1 to 32 letters, digits and any of +=,.@_-"
  }
}

variable "pool_accounts" {
  description = "By a name of your choice: ids of other accounts whose ecs-pool forwards the state changes of its tasks to this account's event bus."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for id in values(var.pool_accounts) : can(regex("^[0-9]{12}$", id))])
    error_message = "pool_accounts: ids of accounts, of twelve digits."
  }
}

variable "managed_policies_quota" {
  description = "How many managed policies a role of the account takes: each pool needs one. AWS starts with 10 and raises it on request."
  type        = number
  default     = 10
}

variable "policies" {
  description = "By name: further policies of the function's role, as the output `policy` of aws-to-azure."
  type        = map(string)
  default     = {}
}

variable "wakers" {
  description = "By a name of your choice: ARNs of roles and users, or ids of accounts, that may start ticks with DISPATCHER_WAKE, as those of people who create runs. Other accounts must allow it on their side, too."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for name in keys(var.wakers) : can(regex("^[a-zA-Z0-9_-]{1,64}$", name))])
    error_message = "wakers: names of 1 to 64 letters, digits, hyphens and underscores."
  }

  validation {
    condition     = alltrue([for who in values(var.wakers) : can(regex("^([0-9]{12}|arn:aws[a-z-]*:iam::[0-9]{12}:(root|user/.+|role/.+))$", who))])
    error_message = "wakers: the ARN of a role or a user, as arn:aws:iam::123456789012:role/people, or the id of an account."
  }
}

variable "api" {
  description = "The HTTP API in a function of its own, behind a function URL that IAM guards; null: there is none. package or s3_key: the zip that `dispatcher package --api` has built, where it is not the dispatcher's own; editors: who may change things, as arn:aws:sts::123456789012:assumed-role/deploy/* or *, everybody else who may call reads; role_arn: an existing role, which needs the output api_function_policy."
  type = object({
    package                        = optional(string)
    package_sha256                 = optional(string)
    s3_key                         = optional(string)
    editors                        = optional(list(string), [])
    memory_size                    = optional(number, 512)
    reserved_concurrent_executions = optional(number)
    role_arn                       = optional(string)
  })
  default = null

  validation {
    condition     = var.api == null || alltrue([for editor in try(var.api.editors, []) : editor == "*" || can(regex("^arn:aws[a-z-]*:(iam|sts)::[0-9]{12}:.+$", editor))])
    error_message = "api.editors: ARNs as IAM names callers, as arn:aws:sts::123456789012:assumed-role/deploy/* or arn:aws:iam::123456789012:user/ada; or *."
  }

  validation {
    condition     = try(var.api.memory_size, 512) >= 256 && try(var.api.memory_size, 512) <= 10240
    error_message = "api.memory_size: 256 to 10240 MiB."
  }
}

variable "create_roles" {
  description = "Whether to create the roles of function and schedule. With false, give function_role_arn and schedule_role_arn, and give these roles the outputs function_policies and schedule_policy."
  type        = bool
  default     = true
}

variable "function_role_arn" {
  description = "An existing role that Lambda may assume. Needs create_roles = false."
  type        = string
  default     = null
}

variable "schedule_role_arn" {
  description = "An existing role that EventBridge Scheduler may assume. Needs create_roles = false."
  type        = string
  default     = null
}

variable "iam" {
  description = "For roles and policies: an IAM path, and the ARN of a permissions boundary that the organisation requires."
  type        = object({ path = optional(string, "/"), permissions_boundary = optional(string) })
  default     = {}
  nullable    = false
}

variable "vpc" {
  description = "Subnets and security groups of the function. Without a way to the internet it needs endpoints for dynamodb, ecs, ec2, logs and sts, and what further providers call."
  type        = object({ subnet_ids = list(string), security_group_ids = list(string) })
  default     = null
}

variable "kms_key_arn" {
  description = "A customer-managed KMS key for table, queue, log, schedule and environment. Its key policy must admit CloudWatch Logs and EventBridge; null: AWS's own keys."
  type        = string
  default     = null
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

variable "log_format" {
  description = "Text, or JSON for logs that wrap each line in an object of Lambda's."
  type        = string
  default     = "Text"

  validation {
    condition     = contains(["Text", "JSON"], var.log_format)
    error_message = "log_format: Text or JSON."
  }
}

variable "tracing" {
  description = "Whether X-Ray traces the invocations."
  type        = bool
  default     = false
}

variable "create_dashboard" {
  description = "Whether to create a CloudWatch dashboard with slots, waits, outcomes and late runs. Needs DISPATCHER_TELEMETRY = \"cloudwatch\" in environment."
  type        = bool
  default     = false
}

variable "alarm_actions" {
  description = "ARNs that alarms notify, as an SNS topic."
  type        = list(string)
  default     = []
}

variable "tags" {
  description = "Tags of every resource that takes tags."
  type        = map(string)
  default     = {}
}
