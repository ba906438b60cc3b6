# Every input that may come from a resource of the same apply, as it is then: unknown until it is made.

resource "terraform_data" "made_in_this_apply" {}

locals { unknown = terraform_data.made_in_this_apply.id }

module "pool" {
  source = "../.."

  name                  = "batch"
  create_resource_group = false
  resource_group_name   = local.unknown
  location              = "westeurope"
  subnet_ids            = ["/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/${local.unknown}/subnets/jobs"]
  job_rights            = { registry = { role = "AcrPull", scope = local.unknown } }
}
