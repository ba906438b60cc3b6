# The functions: `tick`, and `api` where it is asked for. They are made alike; what they do not share stands in local.functions.

module "settings" {
  source = "../settings"

  environment      = var.environment
  managed          = var.managed
  prefect          = var.prefect
  timeout          = var.timeout
  interval_minutes = var.interval_minutes
}

locals {
  names = { for function, name in { tick = var.name, api = "${var.name}-api" } : function => name if function == "tick" || var.api != null }

  # Known before the functions are made, so that they can be told whose tokens are for them.
  urls = { for function, name in local.names : function => "https://${var.region}-${var.project}.cloudfunctions.net/${name}" }

  store_version = var.create_store_secret ? google_secret_manager_secret_version.store[0].version : "latest"

  functions = merge(
    {
      tick = {
        description        = "Dispatches what is due"
        object             = local.objects.tick
        memory_size        = var.memory_size
        timeout            = var.timeout
        max_instance_count = var.max_instance_count
        callers            = [google_service_account.this["schedule"].email]
        environment        = { DISPATCHER_TIMEOUT_SECONDS = tostring(var.timeout) }
        secret_environment = var.secret_environment
      }
    },
    {
      # Secrets of hooks are for ticks.
      for function, api in { api = var.api } : function => {
        description              = "The HTTP API of ${var.name}"
        object                   = local.objects.api
        memory_size              = api.memory_size
        timeout                  = 60
        max_instance_count       = api.max_instance_count
        callers                  = api.callers
        environment              = length(api.editors) == 0 ? {} : { DISPATCHER_UI_EDITORS = join(",", api.editors) }
        secret_environment       = {}
      } if api != null
    },
  )
}

resource "google_cloudfunctions2_function" "this" {
  for_each = local.functions

  project     = var.project
  name        = local.names[each.key]
  location    = var.region
  description = each.value.description
  labels      = var.labels

  build_config {
    runtime         = var.runtime
    entry_point     = each.key
    service_account = google_service_account.this["build"].id

    source {
      storage_source {
        bucket = each.value.object.bucket
        object = each.value.object.name
      }
    }
  }

  service_config {
    available_cpu                    = var.cpu
    available_memory                 = "${each.value.memory_size}Mi"
    timeout_seconds                  = each.value.timeout
    min_instance_count               = 0
    max_instance_count               = each.value.max_instance_count
    max_instance_request_concurrency = 1
    ingress_settings                 = var.ingress
    all_traffic_on_latest_revision   = true
    service_account_email            = google_service_account.this[each.key].email
    vpc_connector                    = var.vpc_connector
    vpc_connector_egress_settings    = var.vpc_connector == null ? null : "PRIVATE_RANGES_ONLY"
    direct_vpc_egress                = var.network == null ? null : "VPC_EGRESS_${var.network.egress}"

    # https://cloud.google.com/functions/docs/running/direct-vpc
    dynamic "direct_vpc_network_interface" {
      for_each = var.network == null ? [] : [var.network]

      content {
        network    = direct_vpc_network_interface.value.network
        subnetwork = direct_vpc_network_interface.value.subnetwork
        tags       = direct_vpc_network_interface.value.tags
      }
    }

    environment_variables = merge(module.settings.environment, each.value.environment, {
      DISPATCHER_AUDIENCE = local.urls[each.key]
      DISPATCHER_CALLERS  = join(",", each.value.callers)
      # Cloud Run has checked the signature, and hands the token on without it. Nobody but the callers may start the function.
      DISPATCHER_TOKEN_SIGNATURE = "iam"
    })

    dynamic "secret_environment_variables" {
      for_each = merge(each.value.secret_environment, { DISPATCHER_STORE = local.secret })

      content {
        key        = secret_environment_variables.key
        project_id = var.project
        secret     = secret_environment_variables.value
        version    = secret_environment_variables.key == "DISPATCHER_STORE" ? local.store_version : "latest"
      }
    }
  }

  lifecycle {
    precondition {
      condition     = var.network == null || var.vpc_connector == null
      error_message = "network, vpc_connector: a function takes one of them."
    }
  }

  depends_on = [
    google_project_iam_member.build,
    google_project_iam_member.pools,
    google_secret_manager_secret_iam_member.environment,
    google_secret_manager_secret_iam_member.store,
    google_service_account_iam_member.pools,
  ]
}
