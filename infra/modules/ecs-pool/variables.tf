variable "name" {
  description = "Name of the pool's cluster, roles and log group; the families of its task definitions begin with it. The roles also carry the region, since IAM is global."
  type        = string

  validation {
    condition     = can(regex("^[a-zA-Z0-9][a-zA-Z0-9_-]{1,38}$", var.name))
    error_message = "name: 2 to 39 letters, digits, hyphens and underscores."
  }
}

variable "create_cluster" {
  description = "Whether to create an ECS cluster, with Fargate and Fargate Spot. With false, give cluster_arn."
  type        = bool
  default     = true
}

variable "cluster_arn" {
  description = "ARN of an existing ECS cluster in the account and region of this module's provider. Needs create_cluster = false."
  type        = string
  default     = null

  validation {
    condition     = var.cluster_arn == null || can(regex("^arn:aws[a-z-]*:ecs:[a-z0-9-]+:[0-9]{12}:cluster/[a-zA-Z0-9_-]{1,255}$", var.cluster_arn))
    error_message = "cluster_arn: the ARN, not the name, as arn:aws:ecs:eu-central-1:123456789012:cluster/batch."
  }
}

variable "container_insights" {
  description = "What CloudWatch Container Insights collects from the new cluster: disabled, enabled or enhanced. It is billed by metric."
  type        = string
  default     = "disabled"

  validation {
    condition     = contains(["disabled", "enabled", "enhanced"], var.container_insights)
    error_message = "container_insights: disabled, enabled or enhanced."
  }
}

variable "subnets" {
  description = "Ids of the subnets of the tasks. Without any, the pool's default VPC is looked up at each launch, which needs two more rights."
  type        = list(string)
  default     = []
}

variable "security_groups" {
  description = "Ids of the security groups of the tasks; without any, the default one of the VPC."
  type        = list(string)
  default     = []
}

variable "assign_public_ip" {
  description = "Whether tasks get a public address, which they need to pull images from a subnet without NAT."
  type        = bool
  default     = false
}

variable "log_retention_days" {
  description = "How long the logs of jobs are kept."
  type        = number
  default     = 30
}

variable "repository_arns" {
  description = "ECR repositories that images are pulled from; public registries need no right."
  type        = list(string)
  default     = []
}

variable "secret_arns" {
  description = "Secrets Manager secrets and SSM parameters that `secrets` of the job variables may name."
  type        = list(string)
  default     = []
}

variable "task_policies" {
  description = "JSON policies of the role that the jobs run with, by a name of your choice. Without any, the jobs have no rights."
  type        = map(string)
  default     = {}
}

variable "dispatcher" {
  description = "A dispatcher in another account: the outputs function_role_arn and event_bus_arn of its aws-dispatcher, which has this account in pool_accounts. Null: the dispatcher is in this account."
  type        = object({ function_role_arn = string, event_bus_arn = string })
  default     = null
}

variable "iam" {
  description = "For the roles: an IAM path, and the ARN of a permissions boundary that the organisation requires."
  type        = object({ path = optional(string, "/"), permissions_boundary = optional(string) })
  default     = {}
  nullable    = false
}

variable "kms_key_arn" {
  description = "A customer-managed KMS key for the log group. Its key policy must admit CloudWatch Logs; null: AWS's own key."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of every resource that takes tags."
  type        = map(string)
  default     = {}
}
