output "credentials" {
  description = "An entry of DISPATCHER_CREDENTIALS, which the job variable `credentials` names. It says where to get tokens, and holds no secret."
  value = {
    project = var.project
    external_account = {
      type               = "external_account"
      audience           = "//iam.googleapis.com/${google_iam_workload_identity_pool_provider.this.name}"
      subject_token_type = "urn:ietf:params:aws:token-type:aws4_request"
      token_url          = "https://sts.googleapis.com/v1/token"
      credential_source = {
        environment_id                 = "aws1"
        regional_cred_verification_url = "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"
      }
      service_account_impersonation_url = join("", [
        "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/",
        google_service_account.dispatcher.email, ":generateAccessToken",
      ])
    }
  }
}

output "service_account" {
  description = "The e-mail address that the dispatcher acts as."
  value       = google_service_account.dispatcher.email
}
