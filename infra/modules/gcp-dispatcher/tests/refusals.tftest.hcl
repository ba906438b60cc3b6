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
    store_url    = null
    store_secret = "our-store"
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

run "a_schedule_in_words" {
  command = plan

  variables {
    schedule = "every minute"
  }

  expect_failures = [var.schedule]
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

run "a_setting_that_is_the_modules_own" {
  command = plan

  variables {
    environment = { DISPATCHER_AUDIENCE = "x" }
  }

  expect_failures = [var.environment]
}

run "the_secret_of_a_hook" {
  command = plan

  variables {
    secret_environment = { OPS_HOOK_SECRET = "ops-hook" }
  }

  assert {
    condition     = [for each in google_cloudfunctions2_function.this.service_config[0].secret_environment_variables : "${each.key}=${each.secret}"] == ["DISPATCHER_STORE=push-dispatcher-store", "OPS_HOOK_SECRET=ops-hook"]
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
