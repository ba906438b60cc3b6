# Settings of a dispatcher's function, the same on every cloud: what contradicts itself is refused before anything is made.

locals {
  given = {
    for name, default in { TICK = 50, MARGIN = 12, LEASE = 300, CLOCK_SKEW = 10 } :
    lower(name) => tonumber(lookup(var.environment, "DISPATCHER_${name}_SECONDS", default))
  }

  known = [
    "DISPATCHER_CERTIFICATES_URL",
    "DISPATCHER_CLOCK_SKEW_SECONDS",
    "DISPATCHER_CREDENTIALS",
    "DISPATCHER_DEFAULT_POOL",
    "DISPATCHER_DOCKER_HOSTS",
    "DISPATCHER_KUBERNETES_CLUSTERS",
    "DISPATCHER_FAN_OUT",
    "DISPATCHER_HISTORY_DAYS",
    "DISPATCHER_HOOKS",
    "DISPATCHER_LEASE_SECONDS",
    "DISPATCHER_LOG_LEVEL",
    "DISPATCHER_MANAGED",
    "DISPATCHER_MARGIN_SECONDS",
    "DISPATCHER_MAX_CLAIMS",
    "DISPATCHER_PREFECT_API_URL",
    "DISPATCHER_PREFECT_IMAGE",
    "DISPATCHER_PREFECT_JOBS_API_URL",
    "DISPATCHER_PREFECT_POOLS",
    "DISPATCHER_PROCESS_DIRECTORY",
    "DISPATCHER_PROVIDER_OPTIONS",
    "DISPATCHER_SCHEDULE_AHEAD_SECONDS",
    "DISPATCHER_TELEMETRY",
    "DISPATCHER_TELEMETRY_SECONDS",
    "DISPATCHER_TICK_SECONDS",
    "DISPATCHER_UI_AUTH",
    "DISPATCHER_UI_EDITORS",
    "DISPATCHER_UI_HOSTS",
    "DISPATCHER_UI_PROXY_SECRET",
    "DISPATCHER_WAKE",
  ]

  own = [
    "DISPATCHER_AUDIENCE",
    "DISPATCHER_CALLERS",
    "DISPATCHER_SCHEDULE",
    "DISPATCHER_SECRET_ENVIRONMENT",
    "DISPATCHER_STORE",
    "DISPATCHER_STORE_SECRET",
    "DISPATCHER_TICK_INTERVAL_SECONDS",
    "DISPATCHER_TIMEOUT_SECONDS",
    "DISPATCHER_TOKEN_SIGNATURE",
  ]

  prefect = var.prefect == null ? {} : {
    for name, value in {
      DISPATCHER_PREFECT_API_URL      = var.prefect.api_url
      DISPATCHER_PREFECT_JOBS_API_URL = var.prefect.jobs_api_url
      DISPATCHER_PREFECT_IMAGE        = var.prefect.image
      DISPATCHER_PREFECT_POOLS        = join(",", var.prefect.pools)
    } : name => value if value != null && value != ""
  }

  settings = [for name in keys(var.environment) : name if startswith(name, "DISPATCHER_")]
  unknown  = setsubtract(local.settings, concat(local.known, local.own))
  taken    = setintersection(local.settings, local.own)
}

output "environment" {
  description = "The settings, with the interval of the schedule."
  value = merge(
    var.environment,
    local.prefect,
    { for name, value in { DISPATCHER_MANAGED = var.managed } : name => jsonencode(value) if value != null },
    { DISPATCHER_TICK_INTERVAL_SECONDS = tostring(60 * var.interval_minutes) },
  )

  precondition {
    condition     = length(local.unknown) == 0
    error_message = "environment: ${join(", ", local.unknown)}: no such setting. The settings are ${join(", ", local.known)}."
  }

  precondition {
    condition     = length(local.taken) == 0
    error_message = "environment: ${join(", ", local.taken)}: the module sets this itself, from its other inputs."
  }

  precondition {
    condition     = var.timeout >= local.given.tick + local.given.margin
    error_message = "timeout: ${var.timeout} seconds are less than DISPATCHER_TICK_SECONDS (${local.given.tick}) and DISPATCHER_MARGIN_SECONDS (${local.given.margin}) together."
  }

  precondition {
    condition     = local.given.lease > var.timeout + local.given.clock_skew
    error_message = "environment: DISPATCHER_LEASE_SECONDS (${local.given.lease}) must be longer than timeout (${var.timeout}) and DISPATCHER_CLOCK_SKEW_SECONDS (${local.given.clock_skew}) together, so that a claim outlives the invocation that made it."
  }
}

output "silence_minutes" {
  description = "Minutes without a tick after which something is wrong: three intervals, after which pools show NOT_READY, and at least ten."
  value       = max(10, 3 * var.interval_minutes)
}

output "cron" {
  description = "The schedule as cron with five fields."
  value       = var.interval_minutes == 1 ? "* * * * *" : var.interval_minutes == 60 ? "0 * * * *" : "*/${var.interval_minutes} * * * *"
}
