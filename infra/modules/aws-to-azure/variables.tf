variable "name" {
  description = "Name of the identity."
  type        = string
  default     = "push-dispatcher-aws"

  validation {
    condition     = can(regex("^[a-zA-Z0-9][a-zA-Z0-9_-]{2,127}$", var.name))
    error_message = "name: 3 to 128 letters, digits, hyphens and underscores."
  }
}

variable "resource_group_name" {
  description = "The resource group of the identity."
  type        = string
}

variable "location" {
  description = "Region of the identity, as westeurope."
  type        = string

  validation {
    condition     = can(regex("^[a-z]+[a-z0-9]*$", var.location))
    error_message = "location: the short name, as westeurope."
  }
}

variable "issuer" {
  description = "The issuer of the AWS account's tokens, which `aws iam enable-outbound-web-identity-federation` switches on and prints."
  type        = string

  validation {
    condition     = can(regex("^https://[^/]+", var.issuer))
    error_message = "issuer: https://ID.tokens.sts.global.api.aws."
  }
}

variable "function_role_arn" {
  description = "The AWS role that may use this identity: the output `function_role_arn` of aws-dispatcher."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:role/", var.function_role_arn))
    error_message = "function_role_arn: arn:aws:iam::ACCOUNT:role/NAME."
  }
}

variable "pools" {
  description = "By name: the output `dispatcher` of each container-instance-pool that the dispatcher serves."
  type        = map(map(object({ scope = string, role = string })))
  default     = {}
}

variable "tags" {
  description = "Tags of every resource that takes tags."
  type        = map(string)
  default     = {}
}
