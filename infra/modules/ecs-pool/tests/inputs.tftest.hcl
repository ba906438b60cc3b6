# What the cloud would refuse, or nobody should want, is refused before anything is made; what a company gives, is taken.

mock_provider "aws" {
  override_data {
    target = data.aws_caller_identity.current
    values = { account_id = "123456789012" }
  }
  override_data {
    target = data.aws_partition.current
    values = { partition = "aws" }
  }
  override_data {
    target = data.aws_region.current
    values = { id = "eu-central-1", name = "eu-central-1" }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}", minified_json = "{}" }
  }
}

variables {
  name = "batch"
}

run "the_defaults_do" {
  command = plan
}

run "values_that_are_not_known_yet" {
  command = plan

  module {
    source = "./tests/unknown"
  }
}

run "roles_of_two_regions_differ" {
  command = plan

  assert {
    condition     = aws_iam_role.task.name == "batch-task-eu-central-1"
    error_message = "IAM is global: the region has to be in the role's name."
  }
}

run "an_existing_cluster" {
  command = plan

  variables {
    create_cluster = false
    cluster_arn    = "arn:aws:ecs:eu-central-1:123456789012:cluster/shared"
  }

  assert {
    condition     = length(aws_ecs_cluster.this) == 0 && output.cluster_arn == "arn:aws:ecs:eu-central-1:123456789012:cluster/shared"
    error_message = "The existing cluster is used."
  }
}

run "a_cluster_by_its_name" {
  command = plan

  variables {
    create_cluster = false
    cluster_arn    = "shared"
  }

  expect_failures = [var.cluster_arn]
}

run "a_cluster_of_another_account" {
  command = plan

  variables {
    create_cluster = false
    cluster_arn    = "arn:aws:ecs:eu-central-1:210987654321:cluster/shared"
  }

  expect_failures = [aws_cloudwatch_log_group.this]
}

run "a_cluster_of_another_region" {
  command = plan

  variables {
    create_cluster = false
    cluster_arn    = "arn:aws:ecs:eu-west-1:123456789012:cluster/shared"
  }

  expect_failures = [aws_cloudwatch_log_group.this]
}

run "a_cluster_given_and_made" {
  command = plan

  variables {
    cluster_arn = "arn:aws:ecs:eu-central-1:123456789012:cluster/shared"
  }

  expect_failures = [aws_cloudwatch_log_group.this]
}

run "what_a_company_asks_of_roles" {
  command = plan

  variables {
    iam           = { path = "/jobs/", permissions_boundary = "arn:aws:iam::123456789012:policy/boundary" }
    task_policies = { bucket = "{}" }
    tags          = { team = "data" }
  }

  assert {
    condition = alltrue([for role in [aws_iam_role.task, aws_iam_role.execution] :
    role.path == "/jobs/" && role.permissions_boundary == "arn:aws:iam::123456789012:policy/boundary" && role.tags.team == "data"])
    error_message = "Path, boundary and tags are on every role."
  }
}

run "a_dispatcher_in_another_account" {
  command = plan

  variables {
    dispatcher = {
      function_role_arn = "arn:aws:iam::210987654321:role/push-dispatcher-function-eu-central-1"
      event_bus_arn     = "arn:aws:events:eu-central-1:210987654321:event-bus/default"
    }
  }

  assert {
    condition     = output.credentials.role_arn == "arn:aws:iam::123456789012:role/${aws_iam_role.dispatcher["this"].name}"
    error_message = "The function becomes the role that is made here."
  }

  assert {
    condition     = aws_cloudwatch_event_target.tasks["this"].arn == "arn:aws:events:eu-central-1:210987654321:event-bus/default"
    error_message = "State changes go to the dispatcher's account."
  }
}
