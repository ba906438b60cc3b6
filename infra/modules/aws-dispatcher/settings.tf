# What the function is made of and told; the settings are checked in a module of their own, which every cloud shares.

module "settings" {
  source = "../settings"

  environment      = var.environment
  managed          = var.managed
  prefect          = var.prefect
  timeout          = var.timeout
  interval_minutes = var.interval_minutes
}

locals {
  in_s3 = var.s3_bucket != null || var.s3_key != null

  # A zip that was removed since changes nothing: a plan or a destroy needs none.
  package_hash = var.package_sha256 != null || local.in_s3 ? var.package_sha256 : try(filebase64sha256(var.package), null)

  store = var.store_secret_arn == null ? "dynamodb://${local.table_name}?region=${local.region}" : null

  environment = merge(
    module.settings.environment,
    { for name, value in { DISPATCHER_STORE = local.store, DISPATCHER_STORE_SECRET = var.store_secret_arn } : name => value if value != null },
    length(var.secret_environment) == 0 ? {} : { DISPATCHER_SECRET_ENVIRONMENT = jsonencode(var.secret_environment) },
  )
}
