variable "name" {
  description = "Name of the pool's service account and role."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,24}[a-z0-9]$", var.name))
    error_message = "name: 3 to 26 lower-case letters, digits and hyphens; it begins with a letter and does not end with a hyphen."
  }
}

variable "project" {
  description = "Id of the project that the jobs run in."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "project: the id, not the number or the name; 6 to 30 lower-case letters, digits and hyphens."
  }
}

variable "region" {
  description = "Where the jobs run."
  type        = string

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "region: as europe-west1."
  }
}

variable "job_roles" {
  description = "Roles that the jobs have on the project, by a name of your choice, as { files = \"roles/storage.objectViewer\" }. Without any, the jobs have no rights."
  type        = map(string)
  default     = {}

  validation {
    condition     = length(setintersection(values(var.job_roles), ["roles/owner", "roles/editor", "roles/viewer"])) == 0
    error_message = "job_roles: basic roles are rights on everything; name the ones that the jobs need, as roles/storage.objectViewer."
  }
}

variable "secrets" {
  description = "Ids of the secrets of Secret Manager that `secrets` of the job variables may name, by a name of your choice."
  type        = map(string)
  default     = {}
}

variable "vpc_connector" {
  description = "A Serverless VPC Access connector that the jobs reach private addresses through."
  type        = string
  default     = null
}

variable "network" {
  description = "A network that the jobs are in by direct VPC egress, in place of a connector."
  type        = string
  default     = null
}

variable "subnetwork" {
  description = "The subnetwork of that network."
  type        = string
  default     = null
}
