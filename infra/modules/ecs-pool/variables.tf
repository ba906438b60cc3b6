variable "name" {
  description = "Of the pool's cluster, roles and log group, and how the families of its task definitions begin."
  type        = string

  validation {
    condition     = can(regex("^[a-zA-Z0-9][a-zA-Z0-9_-]{1,47}$", var.name))
    error_message = "name: 2 to 48 letters, digits, hyphens and underscores."
  }
}

variable "cluster_arn" {
  description = "An ECS cluster that is there already; null makes one with Fargate and Fargate Spot."
  type        = string
  default     = null
}

variable "container_insights" {
  description = "What CloudWatch Container Insights collects of the cluster that is made: disabled, enabled or enhanced. It is billed by metric."
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
  description = "Ids of the security groups of the tasks; the default one of the VPC without any."
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

variable "task_policy" {
  description = "JSON policy of the role that the jobs run with; null gives them no rights."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of everything that has tags."
  type        = map(string)
  default     = {}
}
