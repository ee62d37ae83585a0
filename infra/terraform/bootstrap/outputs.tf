output "state_bucket" {
  description = "Bucket for the environments' states."
  value       = module.state_bucket.name
}

output "repository_url" {
  description = "ECR repository to push to."
  value       = module.registry.url
}

output "kms_key_arn" {
  description = "Key that encrypts states and images."
  value       = module.encryption.key_arn
}

output "permissions_boundary_arn" {
  description = "Upper limit of every role in an environment."
  value       = module.boundary.arn
}

output "plan_role_arn" {
  description = "Role of plans; the repository's variable AWS_PLAN_ROLE_ARN. Null without a GitHub repository."
  value       = one(module.github_oidc[*].plan_role_arn)
}

output "preview_role_arn" {
  description = "Role that pushes the images of previews; the variable AWS_PREVIEW_ROLE_ARN of the GitHub environment preview. Null without a GitHub repository."
  value       = one(module.github_oidc[*].preview_role_arn)
}

output "apply_role_arns" {
  description = "Roles of applies; the variable AWS_APPLY_ROLE_ARN of each GitHub environment."
  value       = one(module.github_oidc[*].apply_role_arns)
}
