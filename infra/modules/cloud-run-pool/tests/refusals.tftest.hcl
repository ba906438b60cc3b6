# What the cloud would refuse, or nobody should want, is refused before anything is made.

variables {
  name    = "batch"
  project = "acme-jobs"
  region  = "europe-west1"
}

run "the_defaults_do" {
  command = plan
}

run "a_network_roles_and_secrets_do" {
  command = plan

  variables {
    network    = "n"
    subnetwork = "s"
    job_roles  = { files = "roles/storage.objectViewer" }
    secrets    = { key = "key" }
  }
}

run "a_name_whose_account_would_be_too_long" {
  command = plan

  variables {
    name = "a-work-pool-with-a-long-name"
  }

  expect_failures = [var.name]
}

run "a_zone_for_a_region" {
  command = plan

  variables {
    region = "europe-west1-b"
  }

  expect_failures = [var.region]
}

run "a_project_by_its_number" {
  command = plan

  variables {
    project = "123456789012"
  }

  expect_failures = [var.project]
}

run "jobs_that_may_edit_everything" {
  command = plan

  variables {
    job_roles = { all = "roles/editor" }
  }

  expect_failures = [var.job_roles]
}

run "values_that_are_not_known_yet" {
  command = plan

  module {
    source = "./tests/unknown"
  }
}
