# Every input that may come from a resource of the same apply, as it is then: unknown until it is made.

resource "terraform_data" "made_in_this_apply" {}

locals {
  unknown = terraform_data.made_in_this_apply.id
  secret  = "https://${local.unknown}.vault.azure.net/secrets/store"
  id      = "/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/${local.unknown}/secrets/store"
}

module "existing" {
  source = "../.."

  resource_group_name = local.unknown
  location            = "westeurope"
  package             = "function.zip"
  create_store_secret = false
  store_secret_uri    = local.secret
  store_secret_id     = local.id
  secret_environment  = { OPS_HOOK_SECRET = { uri = local.secret, id = local.id } }
  environment         = { DISPATCHER_HOOKS = local.unknown }
  pools               = { batch = { groups = { scope = local.unknown, role = local.unknown } } }
  subnet_id           = local.unknown
  action_group_ids    = [local.unknown]
  api                 = { package = "api.zip", client_id = local.unknown, applications = [local.unknown], subnet_id = local.unknown }
}

module "made" {
  source = "../.."

  name                = "another"
  resource_group_name = local.unknown
  location            = "westeurope"
  package             = "function.zip"
  store_url           = "postgresql://${local.unknown}/dispatcher"
}
