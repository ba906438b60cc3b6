# Every input that may come from a resource of the same apply, as it is then: unknown until it is made.

resource "terraform_data" "made_in_this_apply" {}

locals { unknown = terraform_data.made_in_this_apply.id }

module "existing" {
  source = "../.."

  project               = "acme-jobs"
  region                = "europe-west1"
  create_store_secret   = false
  store_secret          = local.unknown
  package_object        = { bucket = local.unknown, name = local.unknown }
  secret_environment    = { OPS_HOOK_SECRET = local.unknown }
  environment           = { DISPATCHER_HOOKS = local.unknown }
  pools                 = { batch = { project = local.unknown, role = local.unknown, service_account = local.unknown } }
  vpc_connector         = local.unknown
  notification_channels = [local.unknown]
  api                   = { callers = ["deploy@acme-jobs.iam.gserviceaccount.com"], package_object = { bucket = local.unknown, name = local.unknown } }
}

module "made" {
  source = "../.."

  project   = "acme-jobs"
  region    = "europe-west1"
  name      = "another"
  store_url = "postgresql://${local.unknown}/dispatcher"
  package   = "function.zip"
  api       = { callers = ["deploy@acme-jobs.iam.gserviceaccount.com"], package = "api.zip" }
  network   = { network = local.unknown, subnetwork = local.unknown, tags = [local.unknown] }
}
