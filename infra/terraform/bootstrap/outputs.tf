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

output "signing_key_arn" {
  description = "Key that signs images. Null where project.yaml chooses another signer than KMS."
  value       = one(module.signing_key[*].key_arn)
}

output "github_repository" {
  description = "Repository whose workflows have roles, with its ids. Null without one."
  value = var.github_repository == null ? null : {
    name          = var.github_repository
    owner_id      = var.github_owner_id
    repository_id = var.github_repository_id
  }
}

output "preview_role_arn" {
  description = "Role that pushes the images of previews; the variable AWS_PREVIEW_ROLE_ARN of the GitHub environment preview. Null without a GitHub repository."
  value       = one(module.github_oidc[*].preview_role_arn)
}

output "role_arns" {
  description = "Roles by kind (`plan`, `read`, `apply`) and environment. Null without a GitHub repository."
  value       = one(module.github_oidc[*].role_arns)
}
