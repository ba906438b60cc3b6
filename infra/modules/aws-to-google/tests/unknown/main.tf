# Every input that may come from a resource of the same apply, as it is then: unknown until it is made.

resource "terraform_data" "made_in_this_apply" {}

locals { unknown = terraform_data.made_in_this_apply.id }

module "aws" {
  source = "../.."

  project           = "acme-jobs"
  function_role_arn = local.unknown
  pools             = { batch = { project = local.unknown, role = local.unknown, service_account = local.unknown } }
}
