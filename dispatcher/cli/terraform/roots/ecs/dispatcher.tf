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

module "dispatcher" {
  source = "./modules/aws-dispatcher"

  package             = var.package
  deletion_protection = var.deletion_protection
  pools               = { "work-pool" = module.pool.dispatcher }
}

output "store" {
  description = "DISPATCHER_STORE, for the command line."
  value       = module.dispatcher.store
}
