output "store" {
  description = "DISPATCHER_STORE, for the command line; null where the store's address is a secret."
  value       = local.store
}

output "table_arn" {
  description = "For the rights of people who use the command line."
  value       = local.table_arn
}

output "function_name" {
  description = "For direct invocations: `aws lambda invoke`."
  value       = aws_lambda_function.this["tick"].function_name
}

output "function_arn" {
  description = "For rights to invoke it."
  value       = aws_lambda_function.this["tick"].arn
}

output "wake" {
  description = "DISPATCHER_WAKE, for the command line and the Python API of `wakers`: what they create starts at once."
  value       = aws_lambda_function.this["tick"].arn
}

output "function_role_arn" {
  description = "The role that other accounts and clouds must trust."
  value       = local.role_arns.tick
}

output "event_bus_arn" {
  description = "The event bus to which pools in other accounts forward the state changes of their tasks."
  value       = "arn:${local.partition}:events:${local.region}:${local.account}:event-bus/default"
}

output "function_policies" {
  description = "By name: JSON policies that an existing role of the function needs (create_roles = false)."
  value = merge(
    { dispatcher = data.aws_iam_policy_document.this["tick"].minified_json },
    { for name, pool in var.pools : "pool-${name}" => pool.policy },
    var.policies,
  )
}

output "schedule_policy" {
  description = "JSON policy that an existing role of the schedule needs (create_roles = false)."
  value       = data.aws_iam_policy_document.this["schedule"].minified_json
}

output "dead_letters_url" {
  description = "The queue of the invocations that failed."
  value       = aws_sqs_queue.dead_letters.url
}

output "dashboard" {
  description = "Body of a CloudWatch dashboard with slots, waits, outcomes and late runs of every pool, whether it is made or not."
  value       = local.dashboard
}

output "api_url" {
  description = "Where the HTTP API answers; null without `api`. Requests are signed (SigV4, service lambda)."
  value       = var.api == null ? null : trimsuffix(aws_lambda_function_url.api[0].function_url, "/")
}

output "api_callers_policy" {
  description = "JSON policy for roles and users that may call the HTTP API. Give nobody the right to invoke that function directly: a direct call can name any caller."
  value       = data.aws_iam_policy_document.api_callers.minified_json
}

output "api_function_policy" {
  description = "JSON policy that an existing role of the API's function needs (api.role_arn)."
  value       = data.aws_iam_policy_document.this["api"].minified_json
}
