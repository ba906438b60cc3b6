# Every input that may come from a resource of the same apply, as it is then: unknown until it is made.

resource "terraform_data" "made_in_this_apply" {}

locals { unknown = terraform_data.made_in_this_apply.id }

module "pool" {
  source = "../.."

  name          = "batch"
  project       = "acme-jobs"
  region        = "europe-west1"
  job_roles     = { custom = local.unknown }
  secrets       = { database = local.unknown }
  vpc_connector = local.unknown
}

module "direct" {
  source = "../.."

  name       = "direct"
  project    = "acme-jobs"
  region     = "europe-west1"
  network    = local.unknown
  subnetwork = local.unknown
}
