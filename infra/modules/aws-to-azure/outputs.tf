output "credentials" {
  description = "An entry of DISPATCHER_CREDENTIALS, which the job variable `aci_credentials` names. It holds no secret."
  value = {
    tenant_id    = azurerm_user_assigned_identity.dispatcher.tenant_id
    client_id    = azurerm_user_assigned_identity.dispatcher.client_id
    aws_audience = local.audience
  }
}

output "policy" {
  description = "What aws-dispatcher takes in `policies`: the right to ask AWS for a token that only Azure accepts, for five minutes."
  value = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid      = "TokenForAzure"
      Effect   = "Allow"
      Action   = "sts:GetWebIdentityToken"
      Resource = "*" # AWS knows no narrower resource for this one; the audience is what bounds it
      Condition = {
        "ForAllValues:StringEquals" = { "sts:IdentityTokenAudience" = [local.audience] }
        Null                        = { "sts:IdentityTokenAudience" = "false" }
        NumericLessThanEquals       = { "sts:DurationSeconds" = "300" }
      }
    }]
  })
}

output "identity_principal_id" {
  description = "The principal that other resource groups must trust."
  value       = azurerm_user_assigned_identity.dispatcher.principal_id
}
