# Every input that may come from a resource of the same apply, as it is then: unknown until it is made.

resource "terraform_data" "made_in_this_apply" {}

locals { unknown = terraform_data.made_in_this_apply.id }

module "aws" {
  source = "../.."

  resource_group_name = local.unknown
  location            = "westeurope"
  issuer              = local.unknown
  function_role_arn   = local.unknown
  pools               = { batch = { groups = { scope = local.unknown, role = local.unknown } } }
}
