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
