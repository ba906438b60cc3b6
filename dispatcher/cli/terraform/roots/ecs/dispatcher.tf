variable "package" {
  description = "The zip: dispatcher package --target aws-lambda --arch arm64 --python 3.13 --extras aws --output function.zip"
  type        = string
  default     = "function.zip"
}

variable "deletion_protection" {
  description = "Whether the table with the state of every run refuses to be destroyed."
  type        = bool
  default     = true
}

variable "wakers" {
  description = "By a name of your choice: ARNs of roles and users that may start ticks with DISPATCHER_WAKE."
  type        = map(string)
  default     = {}
}

module "dispatcher" {
  source = "./modules/aws-dispatcher"

  package             = var.package
  deletion_protection = var.deletion_protection
  pools               = { "work-pool" = module.pool.dispatcher }
  wakers              = var.wakers
}

output "store" {
  description = "DISPATCHER_STORE, for the command line."
  value       = module.dispatcher.store
}

output "wake" {
  description = "DISPATCHER_WAKE, for the command line of `wakers`."
  value       = module.dispatcher.wake
}
