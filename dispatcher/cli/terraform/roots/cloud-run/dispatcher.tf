variable "package" {
  description = "The zip: dispatcher package --target google-cloud-function --extras gcp,postgres --output function.zip"
  type        = string
  default     = "function.zip"
}

variable "store_url" {
  description = "Address of the PostgreSQL that holds the state, as postgresql://user:password@host:5432/database."
  type        = string
  sensitive   = true
}

module "dispatcher" {
  source = "./modules/gcp-dispatcher"

  project   = var.project
  region    = var.region
  package   = var.package
  store_url = var.store_url
  pools     = { "work-pool" = module.pool.dispatcher }
}

output "function_name" {
  description = "For the log."
  value       = module.dispatcher.function_name
}
