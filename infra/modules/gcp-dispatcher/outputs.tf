output "function_name" {
  description = "For the log, and for direct calls."
  value       = google_cloudfunctions2_function.this["tick"].name
}

output "url" {
  description = "Where the function listens, and the audience of tokens for it."
  value       = local.urls.tick
}

output "service_account" {
  description = "The account that other projects and clouds must trust: the e-mail address that the function runs as."
  value       = google_service_account.this["tick"].email
}

output "secret" {
  description = "The secret that holds the address of the store."
  value       = local.secret
}

output "api_url" {
  description = "Where the HTTP API answers, and the audience of tokens for it; null without `api`."
  value       = lookup(local.urls, "api", null)
}
