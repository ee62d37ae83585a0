output "secret_key_arn" {
  description = "Signing key, once it has a value. The version makes a new key roll out."
  value       = "${aws_secretsmanager_secret.main[local.key].arn}:::${aws_secretsmanager_secret_version.secret_key.version_id}"
}

output "previous_secret_key_arn" {
  description = "Signing key before the last rotation; null while there was none."
  value       = local.rotated ? "${aws_secretsmanager_secret.main[local.key].arn}::AWSPREVIOUS:" : null
}

output "secret_arns" {
  description = "Secrets that a task may read."
  value       = [for secret in aws_secretsmanager_secret.main : secret.arn]
}

output "application_arns" {
  description = "The application's own secrets by the variables that it reads, once each has a value."
  value       = { for name, version in aws_secretsmanager_secret_version.application : name => version.arn }
}
