# The dispatcher on AWS Lambda, its pool on Azure Container Instances, and no key between them.

# Where everything is made.
variable "region" { default = "us-east-1" }

variable "issuer" {
  description = "The issuer of the AWS account's tokens, which `aws iam enable-outbound-web-identity-federation` switches on and prints."
  type        = string
}

variable "subscription_id" {
  description = "Id of the Azure subscription that the jobs run in."
  type        = string
}

# Where the jobs run.
variable "location" { default = "westeurope" }

# The zip: dispatcher package --arch arm64 --python 3.13 --extras aws,azure --output function.zip
variable "package" { default = "function.zip" }

# Whether the table refuses to be destroyed.
variable "deletion_protection" { default = true }

provider "aws" {
  region = var.region
}

provider "azurerm" {
  subscription_id = var.subscription_id

  features {}
}

resource "azurerm_resource_group" "this" {
  name     = "push-dispatcher"
  location = var.location
}

module "pool" {
  source = "../../modules/container-instance-pool"

  name     = "push-dispatcher-batch"
  location = var.location
}

module "azure" {
  source = "../../modules/aws-to-azure"

  resource_group_name = azurerm_resource_group.this.name
  location            = azurerm_resource_group.this.location
  issuer              = var.issuer
  function_role_arn   = module.dispatcher.function_role_arn
  pools               = { batch = module.pool.dispatcher }
}

module "dispatcher" {
  source = "../../modules/aws-dispatcher"

  package             = var.package
  deletion_protection = var.deletion_protection
  policies            = { azure = module.azure.policy }
  environment         = { DISPATCHER_CREDENTIALS = jsonencode({ azure = module.azure.credentials }) }
}

output "store" { value = module.dispatcher.store }
output "job_variables" { value = merge(module.pool.job_variables, { aci_credentials = "azure" }) }
output "credentials" { value = { azure = module.azure.credentials } }
