output "secret_key_arn" {
  description = "Signing key, once it has a value. The version makes a new key roll out."
  value       = "${aws_secretsmanager_secret.secret_key.arn}:::${aws_secretsmanager_secret_version.secret_key.version_id}"
}

output "secret_arns" {
  description = "Secrets that a task may read."
  value       = [aws_secretsmanager_secret.secret_key.arn]
}
