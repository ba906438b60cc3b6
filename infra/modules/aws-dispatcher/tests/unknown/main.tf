# Every input that may come from a resource of the same apply, as it is then: unknown until it is made.

# A mocked provider is handed only to a module that names it.
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

variable "existing" {
  description = "Whether roles and store exist outside the module."
  type        = bool
}

resource "terraform_data" "made_in_this_apply" {}

locals { unknown = terraform_data.made_in_this_apply.id }

module "dispatcher" {
  source = "../.."

  s3_bucket         = local.unknown
  s3_key            = local.unknown
  environment       = { DISPATCHER_HOOKS = local.unknown }
  pools             = { batch = { cluster_arn = local.unknown, policy = local.unknown } }
  pool_accounts     = { jobs = local.unknown }
  wakers            = { people = local.unknown }
  policies          = { more = local.unknown }
  create_roles      = !var.existing
  function_role_arn = var.existing ? local.unknown : null
  schedule_role_arn = var.existing ? local.unknown : null
  create_table      = !var.existing
  store_secret_arn  = var.existing ? local.unknown : null
  vpc               = { subnet_ids = [local.unknown], security_group_ids = [local.unknown] }
  iam               = { permissions_boundary = local.unknown }
  kms_key_arn       = local.unknown
  alarm_actions     = [local.unknown]
  api               = { s3_key = local.unknown, package_sha256 = local.unknown, role_arn = var.existing ? local.unknown : null }
}
