# What the cloud would refuse, or nobody should want, is refused before anything is made.

variables {
  name     = "batch"
  location = "westeurope"
}

run "the_defaults_do" {
  command = plan
}

run "a_resource_group_that_is_there_already_does" {
  command = plan

  variables {
    create_resource_group = false
    resource_group_name   = "ours"
  }
}

run "a_subnet_and_a_registry_do" {
  command = plan

  variables {
    subnet_ids = ["/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/n/subnets/jobs"]
    job_rights = { images = { role = "AcrPull", scope = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/r" } }
  }
}

run "a_location_in_words" {
  command = plan

  variables {
    location = "West Europe"
  }

  expect_failures = [var.location]
}

run "a_name_that_is_a_sentence" {
  command = plan

  variables {
    name = "my work pool"
  }

  expect_failures = [var.name]
}

run "a_subnet_by_its_name" {
  command = plan

  variables {
    subnet_ids = ["jobs"]
  }

  expect_failures = [var.subnet_ids]
}

run "jobs_that_may_do_everything" {
  command = plan

  variables {
    job_rights = { all = { role = "Contributor", scope = "/subscriptions/s" } }
  }

  expect_failures = [var.job_rights]
}

run "a_resource_group_given_and_made" {
  command = plan

  variables {
    resource_group_name = "ours"
  }

  expect_failures = [azurerm_user_assigned_identity.job]
}

run "values_that_are_not_known_yet" {
  command = plan

  module {
    source = "./tests/unknown"
  }
}
