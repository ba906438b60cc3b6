variable "name" {
  description = "Name of the workload identity pool and the service account."
  type        = string
  default     = "push-dispatcher-aws"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.name)) && !startswith(var.name, "gcp-")
    error_message = "name: 6 to 30 lower-case letters, digits and hyphens; it begins with a letter, not with gcp-, and does not end with a hyphen."
  }
}

variable "project" {
  description = "Id of the project of the dispatcher's account."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "project: the id, not the number or the name; 6 to 30 lower-case letters, digits and hyphens."
  }
}

variable "function_role_arn" {
  description = "The AWS role that may act as the service account: the output `function_role_arn` of aws-dispatcher."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:role/", var.function_role_arn))
    error_message = "function_role_arn: arn:aws:iam::ACCOUNT:role/NAME."
  }
}

variable "pools" {
  description = "By name: the output `dispatcher` of each cloud-run-pool that the dispatcher serves."
  type        = map(object({ project = string, role = string, service_account = string }))
  default     = {}
}
