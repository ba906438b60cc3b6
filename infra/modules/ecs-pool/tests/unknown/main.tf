# Every input that may come from a resource of the same apply, as it is then: unknown until it is made.

# A mocked provider is handed only to a module that names it.
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

resource "terraform_data" "made_in_this_apply" {}

locals { unknown = terraform_data.made_in_this_apply.id }

module "pool" {
  source = "../.."

  name            = "batch"
  create_cluster  = false
  cluster_arn     = local.unknown
  subnets         = [local.unknown]
  security_groups = [local.unknown]
  repository_arns = [local.unknown]
  secret_arns     = ["arn:aws:secretsmanager:us-east-1:123456789012:secret:${local.unknown}"]
  task_policies   = { job = local.unknown }
  iam             = { permissions_boundary = local.unknown }
  kms_key_arn     = local.unknown
  dispatcher      = { function_role_arn = local.unknown, event_bus_arn = local.unknown }
}
