# What the cloud would refuse, or nobody should want, is refused before anything is made.

variables {
  project   = "acme-jobs"
  region    = "europe-west1"
  store_url = "postgresql://u:p@h/d"
}

run "the_defaults_do" {
  command = plan
}

run "a_secret_that_is_there_already_does" {
  command = plan

  variables {
    store_url           = null
    create_store_secret = false
    store_secret        = "our-store"
  }
}

run "no_store_at_all" {
  command = plan

  variables {
    store_url = null
  }

  expect_failures = [google_secret_manager_secret_version.store]
}

run "a_store_of_another_kind" {
  command = plan

  variables {
    store_url = "mysql://h/d"
  }

  expect_failures = [var.store_url]
}

run "a_secret_by_its_full_name" {
  command = plan

  variables {
    store_secret = "projects/p/secrets/s"
  }

  expect_failures = [var.store_secret]
}

run "a_name_whose_accounts_would_be_too_long" {
  command = plan

  variables {
    name = "push-dispatcher-production"
  }

  expect_failures = [var.name]
}

run "a_name_in_capitals" {
  command = plan

  variables {
    name = "Dispatcher"
  }

  expect_failures = [var.name]
}

run "a_project_by_its_number" {
  command = plan

  variables {
    project = "123456789012"
  }

  expect_failures = [var.project]
}

run "a_zone_for_a_region" {
  command = plan

  variables {
    region = "europe-west1-b"
  }

  expect_failures = [var.region]
}

run "a_runtime_of_another_cloud" {
  command = plan

  variables {
    runtime = "python3.13"
  }

  expect_failures = [var.runtime]
}

run "a_timeout_longer_than_the_schedule_waits" {
  command = plan

  variables {
    timeout = 3600
  }

  expect_failures = [var.timeout]
}

run "an_ingress_that_there_is_not" {
  command = plan

  variables {
    ingress = "ALLOW_NONE"
  }

  expect_failures = [var.ingress]
}

run "the_secret_of_a_hook" {
  command = plan

  variables {
    secret_environment = { OPS_HOOK_SECRET = "ops-hook" }
  }

  assert {
    condition     = [for each in google_cloudfunctions2_function.this["tick"].service_config[0].secret_environment_variables : "${each.key}=${each.secret}"] == ["DISPATCHER_STORE=push-dispatcher-store", "OPS_HOOK_SECRET=ops-hook"]
    error_message = "The function gets it beside the store's address."
  }

  assert {
    condition     = google_secret_manager_secret_iam_member.environment["OPS_HOOK_SECRET"].secret_id == "ops-hook"
    error_message = "The function may read it."
  }
}

run "a_secret_in_place_of_the_dispatchers_own" {
  command = plan

  variables {
    secret_environment = { DISPATCHER_STORE = "other" }
  }

  expect_failures = [var.secret_environment]
}

run "a_hooks_secret_by_its_full_name" {
  command = plan

  variables {
    secret_environment = { OPS_HOOK_SECRET = "projects/p/secrets/s" }
  }

  expect_failures = [var.secret_environment]
}

run "a_secret_given_and_made" {
  command = plan

  variables {
    store_secret = "our-store"
  }

  expect_failures = [google_secret_manager_secret_version.store]
}

run "values_that_are_not_known_yet" {
  command = plan

  module {
    source = "./tests/unknown"
  }
}

run "one_interval_everywhere" {
  command = plan

  variables {
    interval_minutes = 15
  }

  assert {
    condition     = google_cloud_scheduler_job.this.schedule == "*/15 * * * *" && google_cloudfunctions2_function.this["tick"].service_config[0].environment_variables.DISPATCHER_TICK_INTERVAL_SECONDS == "900"
    error_message = "Schedule and heartbeat go by the interval."
  }

  assert {
    condition     = google_monitoring_alert_policy.this["no-ticks"].conditions[0].condition_absent[0].duration == "2700s"
    error_message = "The alert goes by the interval: three of them."
  }
}

run "a_schedule_that_is_off" {
  command = plan

  variables {
    schedule_enabled = false
  }

  assert {
    condition     = google_cloud_scheduler_job.this.paused && !contains(keys(google_monitoring_alert_policy.this), "no-ticks")
    error_message = "No ticks are no alert then."
  }
}

run "a_zip_that_is_not_here" {
  command = plan

  variables {
    package        = "gone.zip"
    package_sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
  }

  assert {
    condition     = google_storage_bucket_object.source["tick"].name == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855.zip"
    error_message = "Its hash is enough to plan with."
  }
}

run "a_zip_in_a_bucket" {
  command = plan

  variables {
    package        = null
    package_object = { bucket = "builds", name = "function-1.zip" }
  }

  assert {
    condition     = google_cloudfunctions2_function.this["tick"].build_config[0].source[0].storage_source[0].object == "function-1.zip" && length(google_storage_bucket.source) == 0
    error_message = "The function is built from the object."
  }
}

run "no_package_at_all" {
  command = plan

  variables {
    package = null
  }

  expect_failures = [google_storage_bucket_object.source["tick"]]
}

run "a_network_is_reached_directly" {
  command = plan

  variables {
    network = { subnetwork = "jobs", tags = ["dispatcher"], egress = "ALL_TRAFFIC" }
  }

  assert {
    condition     = google_cloudfunctions2_function.this["tick"].service_config[0].direct_vpc_egress == "VPC_EGRESS_ALL_TRAFFIC" && google_cloudfunctions2_function.this["tick"].service_config[0].direct_vpc_network_interface[0].subnetwork == "jobs" && google_cloudfunctions2_function.this["tick"].service_config[0].direct_vpc_network_interface[0].tags[0] == "dispatcher"
    error_message = "The function is in the subnetwork."
  }
}

run "a_function_without_a_network_asks_for_none" {
  command = plan

  assert {
    condition     = google_cloudfunctions2_function.this["tick"].service_config[0].direct_vpc_egress == null && length(google_cloudfunctions2_function.this["tick"].service_config[0].direct_vpc_network_interface) == 0
    error_message = "Nothing of a network is given."
  }
}

run "a_network_and_a_connector" {
  command = plan

  variables {
    network       = { network = "jobs" }
    vpc_connector = "projects/acme-jobs/locations/europe-west1/connectors/ours"
  }

  expect_failures = [google_cloudfunctions2_function.this["tick"]]
}

run "a_network_without_a_name" {
  command = plan

  variables {
    network = { tags = ["dispatcher"] }
  }

  expect_failures = [var.network]
}

run "an_egress_that_does_not_exist" {
  command = plan

  variables {
    network = { network = "jobs", egress = "ALL" }
  }

  expect_failures = [var.network]
}

run "ends_of_jobs_are_pushed_to_the_function" {
  command = plan

  variables {
    pools = {
      batch = { project = "acme-jobs", role = "r", service_account = "a" }
      other = { project = "acme-data", role = "r", service_account = "b" }
      third = { project = "acme-jobs", role = "r", service_account = "c" }
    }
  }

  assert {
    condition     = { for name, sink in google_logging_project_sink.ends : name => sink.project if !sink.disabled } == { batch = "acme-jobs", other = "acme-data" }
    error_message = "Each project sends an entry once."
  }

  assert {
    condition     = google_pubsub_subscription.ends[0].push_config[0].oidc_token[0].audience == google_cloudfunctions2_function.this["tick"].service_config[0].environment_variables.DISPATCHER_AUDIENCE
    error_message = "The function takes the token."
  }

  assert {
    condition     = google_pubsub_subscription.ends[0].ack_deadline_seconds >= google_cloudfunctions2_function.this["tick"].service_config[0].timeout_seconds
    error_message = "A message is not sent again while the function works on it."
  }
}

run "ends_of_jobs_wait_for_the_next_tick" {
  command = plan

  variables {
    state_changes = false
    pools         = { batch = { project = "acme-jobs", role = "r", service_account = "a" } }
  }

  assert {
    condition     = length(google_pubsub_topic.ends) + length(google_pubsub_subscription.ends) + length(google_pubsub_topic_iam_binding.ends) + length(google_logging_project_sink.ends) == 0
    error_message = "Nothing is made for them."
  }
}

run "without_pools_there_are_no_ends" {
  command = plan

  assert {
    condition     = length(google_pubsub_topic.ends) + length(google_pubsub_subscription.ends) == 0
    error_message = "Nothing is made for them."
  }
}

run "without_the_api_there_is_none" {
  command = plan

  assert {
    condition     = keys(google_cloudfunctions2_function.this) == ["tick"] && !contains(keys(google_service_account.this), "api") && output.api_url == null
    error_message = "The API is there only where it is asked for."
  }
}

run "the_api_for_everybody" {
  command = plan

  variables {
    api = { callers = ["allUsers"] }
  }

  expect_failures = [var.api]
}

run "the_api_for_nobody" {
  command = plan

  variables {
    api = { callers = [] }
  }

  expect_failures = [var.api]
}

run "a_zip_of_the_api_without_a_bucket" {
  command = plan

  variables {
    package_object = { bucket = "zips", name = "function.zip" }
    api            = { callers = ["deploy@acme-jobs.iam.gserviceaccount.com"], package = "api.zip" }
  }

  expect_failures = [google_storage_bucket_object.source["api"]]
}
