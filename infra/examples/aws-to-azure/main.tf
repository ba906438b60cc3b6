# The dispatcher on AWS Lambda, its pool on Azure Container Instances, and no key between them. `emulator_endpoint` is for AWS alone.

variable "region" {
  description = "Where everything is made."
  type        = string
  default     = "us-east-1"
}

variable "name" {
  description = "What it is called."
  type        = string
  default     = "push-dispatcher"
}

variable "issuer" {
  description = "The issuer of the AWS account's tokens, which `aws iam enable-outbound-web-identity-federation` tells, and switches on."
  type        = string
}

variable "subscription_id" {
  description = "Id of the Azure subscription that the jobs run in."
  type        = string
}

variable "location" {
  description = "Where the jobs run."
  type        = string
  default     = "westeurope"
}

variable "package" {
  description = "The zip: dispatcher package --arch arm64 --python 3.13 --extras aws,azure --output function.zip"
  type        = string
  default     = "function.zip"
}

variable "architecture" {
  description = "What the zip was built for."
  type        = string
  default     = "arm64"
}

variable "runtime" {
  description = "What the zip was built for."
  type        = string
  default     = "python3.13"
}

variable "deletion_protection" {
  description = "Whether the table refuses to be destroyed."
  type        = bool
  default     = true
}

variable "environment" {
  description = "Further settings of the function."
  type        = map(string)
  default     = {}
}

variable "emulator_endpoint" {
  description = "URL of an emulator of AWS; null is AWS itself."
  type        = string
  default     = null
}

provider "aws" {
  region                      = var.region
  access_key                  = var.emulator_endpoint == null ? null : "test"
  secret_key                  = var.emulator_endpoint == null ? null : "test"
  skip_credentials_validation = var.emulator_endpoint != null
  skip_metadata_api_check     = var.emulator_endpoint != null
  skip_region_validation      = var.emulator_endpoint != null

  endpoints {
    cloudwatch       = var.emulator_endpoint
    cloudwatchevents = var.emulator_endpoint
    cloudwatchlogs   = var.emulator_endpoint
    dynamodb         = var.emulator_endpoint
    ecs              = var.emulator_endpoint
    iam              = var.emulator_endpoint
    lambda           = var.emulator_endpoint
    scheduler        = var.emulator_endpoint
    sqs              = var.emulator_endpoint
    sts              = var.emulator_endpoint
  }
}

provider "azurerm" {
  subscription_id = var.subscription_id

  features {}
}

resource "azurerm_resource_group" "this" {
  name     = var.name
  location = var.location
}

module "pool" {
  source = "../../modules/container-instance-pool"

  name     = "${var.name}-batch"
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

  name                = var.name
  package             = var.package
  architecture        = var.architecture
  runtime             = var.runtime
  deletion_protection = var.deletion_protection
  policies            = { azure = module.azure.policy }
  environment         = merge(var.environment, { DISPATCHER_CREDENTIALS = jsonencode({ azure = module.azure.credentials }) })
}

output "store" {
  description = "DISPATCHER_STORE, for the command line."
  value       = module.dispatcher.store
}

output "job_variables" {
  description = "Defaults for the pool's base job template."
  value       = merge(module.pool.job_variables, { aci_credentials = "azure" })
}

output "credentials" {
  description = "DISPATCHER_CREDENTIALS, as the function has them."
  value       = { azure = module.azure.credentials }
}
