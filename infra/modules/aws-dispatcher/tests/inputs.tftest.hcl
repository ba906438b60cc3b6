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
  package = "function.zip"
}

run "the_defaults_do_without_the_zip" {
  command = plan

  assert {
    condition     = aws_lambda_function.this["tick"].environment[0].variables.DISPATCHER_STORE == "dynamodb://push-dispatcher?region=eu-central-1"
    error_message = "The function uses the module's table."
  }

  assert {
    condition     = aws_iam_role.this["tick"].name == "push-dispatcher-function-eu-central-1"
    error_message = "IAM is global: the region has to be in the role's name."
  }
}

run "values_that_are_not_known_yet" {
  command = plan

  module {
    source = "./tests/unknown"
  }

  variables {
    existing = false
  }
}

run "existing_resources_that_are_not_known_yet" {
  command = plan

  module {
    source = "./tests/unknown"
  }

  variables {
    existing = true
  }
}

run "one_interval_everywhere" {
  command = plan

  variables {
    interval_minutes = 15
  }

  assert {
    condition     = aws_scheduler_schedule.this.schedule_expression == "rate(15 minutes)"
    error_message = "The schedule goes by the interval."
  }

  assert {
    condition     = aws_lambda_function.this["tick"].environment[0].variables.DISPATCHER_TICK_INTERVAL_SECONDS == "900"
    error_message = "The heartbeat goes by the interval."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["no-ticks"].period == 2700
    error_message = "The alarm goes by the interval: three of them."
  }
}

run "a_schedule_that_is_off" {
  command = plan

  variables {
    schedule_enabled = false
  }

  assert {
    condition     = aws_scheduler_schedule.this.state == "DISABLED" && !contains(keys(aws_cloudwatch_metric_alarm.this), "no-ticks")
    error_message = "No ticks are no alarm then."
  }
}

run "whoever_may_wake_may_start_the_function" {
  command = plan

  variables {
    wakers = { people = "arn:aws:iam::123456789012:role/people", jobs = "210987654321" }
  }

  assert {
    condition     = { for name, right in aws_lambda_permission.wakers : name => [right.action, right.principal] } == { people = ["lambda:InvokeFunction", "arn:aws:iam::123456789012:role/people"], jobs = ["lambda:InvokeFunction", "210987654321"] }
    error_message = "Each gets that right and no other."
  }
}

run "without_the_api_there_is_none" {
  command = plan

  assert {
    condition     = keys(aws_lambda_function.this) == ["tick"] && length(aws_lambda_function_url.api) == 0 && !contains(keys(aws_iam_role.this), "api") && output.api_url == null
    error_message = "The API is there only where it is asked for."
  }
}

run "the_api_is_a_function_of_its_own_behind_iam" {
  command = plan

  variables {
    api = { package = "api.zip", editors = ["arn:aws:sts::123456789012:assumed-role/deploy/*", "arn:aws:iam::123456789012:user/ada"] }
  }

  assert {
    condition     = aws_lambda_function_url.api[0].authorization_type == "AWS_IAM"
    error_message = "IAM says who calls."
  }

  assert {
    condition     = aws_lambda_function.this["api"].handler == "dispatcher.functions.aws_lambda_api.handler" && aws_lambda_function.this["api"].filename == "api.zip" && aws_lambda_function.this["tick"].filename == "function.zip"
    error_message = "Each function has its own zip."
  }

  assert {
    condition     = aws_lambda_function.this["api"].environment[0].variables.DISPATCHER_UI_EDITORS == "arn:aws:sts::123456789012:assumed-role/deploy/*,arn:aws:iam::123456789012:user/ada"
    error_message = "Editors are those that were named."
  }
}

run "nobody_is_an_editor_unless_it_is_said" {
  command = plan

  variables {
    api = {}
  }

  assert {
    condition     = !contains(keys(aws_lambda_function.this["api"].environment[0].variables), "DISPATCHER_UI_EDITORS") && aws_lambda_function.this["api"].filename == "function.zip"
    error_message = "Without editors all callers read, and without a zip of its own it is the dispatcher's."
  }
}

run "an_editor_is_an_arn" {
  command = plan

  variables {
    api = { editors = ["ada"] }
  }

  expect_failures = [var.api]
}

run "an_existing_role_of_the_api_is_given" {
  command = plan

  variables {
    create_roles      = false
    function_role_arn = "arn:aws:iam::123456789012:role/function"
    schedule_role_arn = "arn:aws:iam::123456789012:role/schedule"
    api               = {}
  }

  expect_failures = [aws_lambda_function.this["api"]]
}

run "everybody_may_not_wake" {
  command = plan

  variables {
    wakers = { everybody = "*" }
  }

  expect_failures = [var.wakers]
}

run "an_object_in_s3" {
  command = plan

  variables {
    package        = null
    s3_bucket      = "builds"
    s3_key         = "function.zip"
    package_sha256 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
  }

  assert {
    condition     = aws_lambda_function.this["tick"].s3_bucket == "builds" && aws_lambda_function.this["tick"].source_code_hash == "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
    error_message = "The function is made from the object."
  }
}

run "no_package_at_all" {
  command = plan

  variables {
    package = null
  }

  expect_failures = [aws_lambda_function.this["tick"]]
}

run "a_hash_in_hexadecimal" {
  command = plan

  variables {
    package_sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
  }

  expect_failures = [var.package_sha256]
}

run "ten_pools" {
  command = plan

  variables {
    pools = { for number in range(10) : "pool-${number}" => { cluster_arn = "c", policy = jsonencode({ x = format("%06136d", 0) }) } }
  }

  assert {
    condition     = length(aws_iam_role_policy_attachment.pools) == 10
    error_message = "Each pool has a managed policy of its own."
  }
}

run "eleven_pools" {
  command = plan

  variables {
    pools = { for number in range(11) : "pool-${number}" => { cluster_arn = "c", policy = "{}" } }
  }

  expect_failures = [aws_iam_role_policy.this["tick"]]
}

run "eleven_pools_after_the_quota_was_raised" {
  command = plan

  variables {
    pools                  = { for number in range(11) : "pool-${number}" => { cluster_arn = "c", policy = "{}" } }
    managed_policies_quota = 20
  }
}

run "a_policy_that_is_too_long" {
  command = plan

  variables {
    pools = { batch = { cluster_arn = "c", policy = jsonencode({ x = format("%06137d", 0) }) } }
  }

  expect_failures = [aws_iam_policy.pools["batch"]]
}

run "further_policies_that_are_too_long" {
  command = plan

  variables {
    policies = { more = jsonencode({ x = format("%010231d", 0) }) }
  }

  expect_failures = [aws_iam_role_policy.this["tick"]]
}

run "what_a_company_asks_for" {
  command = plan

  variables {
    vpc              = { subnet_ids = ["subnet-1"], security_group_ids = ["sg-1"] }
    iam              = { path = "/jobs/", permissions_boundary = "arn:aws:iam::123456789012:policy/boundary" }
    kms_key_arn      = "arn:aws:kms:eu-central-1:123456789012:key/1"
    log_format       = "JSON"
    tracing          = true
    create_dashboard = true
    environment      = { DISPATCHER_TELEMETRY = "cloudwatch" }
    tags             = { team = "data" }
  }

  assert {
    condition     = aws_lambda_function.this["tick"].vpc_config[0].subnet_ids == toset(["subnet-1"]) && aws_lambda_function.this["tick"].tracing_config[0].mode == "Active" && aws_lambda_function.this["tick"].logging_config[0].log_format == "JSON"
    error_message = "The function is in the network, is traced, and logs in JSON."
  }

  assert {
    condition = alltrue([for key in [
      aws_lambda_function.this["tick"].kms_key_arn, aws_dynamodb_table.this[0].server_side_encryption[0].kms_key_arn,
      aws_sqs_queue.dead_letters.kms_master_key_id, aws_cloudwatch_log_group.this["tick"].kms_key_id, aws_scheduler_schedule.this.kms_key_arn,
    ] : key == "arn:aws:kms:eu-central-1:123456789012:key/1"])
    error_message = "The key is everywhere where something is stored."
  }

  assert {
    condition = alltrue([for tags in concat(
      [for alarm in aws_cloudwatch_metric_alarm.this : alarm.tags], [for role in [aws_iam_role.this["tick"], aws_iam_role.this["schedule"]] : role.tags],
      [aws_dynamodb_table.this[0].tags, aws_sqs_queue.dead_letters.tags, aws_cloudwatch_log_group.this["tick"].tags, aws_lambda_function.this["tick"].tags, aws_scheduler_schedule_group.this.tags],
    ) : tags.team == "data"])
    error_message = "Tags are on everything that has tags."
  }
}

run "a_dashboard_without_metrics" {
  command = plan

  variables {
    create_dashboard = true
  }

  expect_failures = [aws_cloudwatch_dashboard.this[0]]
}

run "roles_that_exist" {
  command = plan

  variables {
    create_roles      = false
    function_role_arn = "arn:aws:iam::123456789012:role/function"
    schedule_role_arn = "arn:aws:iam::123456789012:role/schedule"
  }

  assert {
    condition     = aws_lambda_function.this["tick"].role == "arn:aws:iam::123456789012:role/function" && length(aws_iam_role.this) == 0
    error_message = "The existing role is used."
  }
}

run "a_role_given_and_made" {
  command = plan

  variables {
    function_role_arn = "arn:aws:iam::123456789012:role/function"
  }

  expect_failures = [aws_iam_role.this["tick"]]
}

run "a_table_that_was_restored" {
  command = plan

  variables {
    table_name = "push-dispatcher-restored"
  }

  assert {
    condition     = aws_dynamodb_table.this[0].name == "push-dispatcher-restored" && output.store == "dynamodb://push-dispatcher-restored?region=eu-central-1"
    error_message = "Table and store go by the table's own name."
  }
}

run "the_address_of_a_postgresql_in_a_secret" {
  command = plan

  variables {
    create_table     = false
    store_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:store"
  }

  assert {
    condition     = aws_lambda_function.this["tick"].environment[0].variables.DISPATCHER_STORE_SECRET == "arn:aws:secretsmanager:eu-central-1:123456789012:secret:store"
    error_message = "The function reads the secret."
  }

  assert {
    condition     = !contains(keys(aws_lambda_function.this["tick"].environment[0].variables), "DISPATCHER_STORE")
    error_message = "The address itself is not in the environment."
  }
}

run "no_store_at_all" {
  command = plan

  variables {
    create_table = false
  }

  expect_failures = [aws_lambda_function.this["tick"]]
}

run "the_values_of_variables_in_secrets" {
  command = plan

  variables {
    secret_environment = { PREFECT_API_KEY = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:prefect-key" }
  }

  assert {
    condition     = jsondecode(aws_lambda_function.this["tick"].environment[0].variables.DISPATCHER_SECRET_ENVIRONMENT) == { PREFECT_API_KEY = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:prefect-key" }
    error_message = "The function reads the secret, and its value is nowhere else."
  }

  assert {
    condition     = contains([for statement in data.aws_iam_policy_document.this["tick"].statement : one(statement.resources) if statement.sid == "Secrets"], "arn:aws:secretsmanager:eu-central-1:123456789012:secret:prefect-key")
    error_message = "The function may read this secret."
  }
}

run "a_secret_that_is_no_arn" {
  command = plan

  variables {
    secret_environment = { PREFECT_API_KEY = "hush" }
  }

  expect_failures = [var.secret_environment]
}
