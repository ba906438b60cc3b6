# Settings that contradict one another, or do not exist, are refused before anything is made.

variables {
  environment      = {}
  timeout          = 90
  interval_minutes = 1
}

run "the_defaults_do" {
  command = plan

  assert {
    condition     = output.environment.DISPATCHER_TICK_INTERVAL_SECONDS == "60" && output.silence_minutes == 10 && output.cron == "* * * * *"
    error_message = "A tick each minute, and an alarm after ten."
  }
}

run "what_managed_pools_are" {
  command = plan

  variables {
    managed = { type = "ecs:push", job_variables = { cluster = "jobs" }, maximum = { cpu = 4 } }
  }

  assert {
    condition     = jsondecode(output.environment.DISPATCHER_MANAGED) == { type = "ecs:push", job_variables = { cluster = "jobs" }, maximum = { cpu = 4 } }
    error_message = "The object becomes the setting."
  }
}

run "a_managed_pool_without_a_type" {
  command = plan

  variables {
    managed = { job_variables = { cluster = "jobs" } }
  }

  expect_failures = [var.managed]
}

run "a_prefect_server_with_a_password" {
  command = plan

  variables {
    prefect = { api_url = "http://user:hush@prefect:4200/api" }
  }

  expect_failures = [var.prefect]
}

run "a_prefect_server" {
  command = plan

  variables {
    prefect = { api_url = "http://prefect:4200/api", pools = ["a", "b"] }
  }

  assert {
    condition = { for name, value in output.environment : name => value if startswith(name, "DISPATCHER_PREFECT_") } == {
      DISPATCHER_PREFECT_API_URL = "http://prefect:4200/api"
      DISPATCHER_PREFECT_POOLS   = "a,b"
    }
    error_message = "What is given becomes settings, and nothing else."
  }
}

run "one_interval_everywhere" {
  command = plan

  variables {
    interval_minutes = 15
  }

  assert {
    condition     = output.environment.DISPATCHER_TICK_INTERVAL_SECONDS == "900" && output.silence_minutes == 45 && output.cron == "*/15 * * * *"
    error_message = "Heartbeat, alarm and schedule go by the interval."
  }
}

run "an_hour" {
  command = plan

  variables {
    interval_minutes = 60
  }

  assert {
    condition     = output.cron == "0 * * * *"
    error_message = "Cron has no step of 60 minutes."
  }
}

run "an_interval_that_no_cron_has" {
  command = plan

  variables {
    interval_minutes = 7
  }

  expect_failures = [var.interval_minutes]
}

run "a_setting_that_does_not_exist" {
  command = plan

  variables {
    environment = { DISPATCHER_FANOUT = "lambda" }
  }

  expect_failures = [output.environment]
}

run "a_variable_of_somebody_elses" {
  command = plan

  variables {
    environment = { OTEL_SERVICE_NAME = "dispatcher" }
  }
}

run "a_setting_that_is_the_modules_own" {
  command = plan

  variables {
    environment = { DISPATCHER_STORE = "memory://" }
  }

  expect_failures = [output.environment]
}

run "a_tick_that_is_longer_than_the_timeout" {
  command = plan

  variables {
    environment = { DISPATCHER_TICK_SECONDS = "80" }
  }

  expect_failures = [output.environment]
}

run "a_timeout_that_is_longer_than_the_lease" {
  command = plan

  variables {
    timeout = 600
  }

  expect_failures = [output.environment]
}

run "a_lease_that_suits_the_timeout" {
  command = plan

  variables {
    timeout     = 600
    environment = { DISPATCHER_LEASE_SECONDS = "700" }
  }
}
