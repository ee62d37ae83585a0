output "secret_key_arn" {
  description = "Signing key, once it has a value. The version makes a new key roll out."
  value       = "${aws_secretsmanager_secret.secret_key.arn}:::${aws_secretsmanager_secret_version.secret_key.version_id}"
}

output "previous_secret_key_arn" {
  description = "Signing key before the last rotation; null while there was none."
  value       = var.secret_key_version > 1 ? "${aws_secretsmanager_secret.secret_key.arn}::AWSPREVIOUS:" : null
}

output "secret_arns" {
  description = "Secrets that a task may read."
  value       = [aws_secretsmanager_secret.secret_key.arn]
}
