output "store" {
  description = "DISPATCHER_STORE, for the command line."
  value       = local.store
}

output "table_arn" {
  description = "For the rights of people who use the command line."
  value       = aws_dynamodb_table.this.arn
}

output "function_name" {
  description = "For direct invocations: `aws lambda invoke`."
  value       = aws_lambda_function.this.function_name
}

output "function_arn" {
  description = "For who may invoke it."
  value       = aws_lambda_function.this.arn
}

output "function_role_arn" {
  description = "Whom other accounts and clouds have to trust."
  value       = aws_iam_role.function.arn
}

output "dead_letters_url" {
  description = "The queue of the invocations that failed."
  value       = aws_sqs_queue.dead_letters.url
}
