# The application's signing key: made by AWS, written once, never part of a plan or the state. Raising the version makes a
# new one; the one before is still accepted.

ephemeral "aws_secretsmanager_random_password" "secret_key" {
  password_length     = 64
  exclude_punctuation = true
}

resource "aws_secretsmanager_secret" "secret_key" {
  #checkov:skip=CKV2_AWS_57:what a key signed before the last one is lost; it is a decision, made by secret_key_version
  name                    = "${var.name}/secret-key"
  description             = "Signing key of the application's sessions"
  kms_key_id              = var.kms_key_arn
  recovery_window_in_days = var.recovery_window_days
}

resource "aws_secretsmanager_secret_version" "secret_key" {
  secret_id                = aws_secretsmanager_secret.secret_key.id
  secret_string_wo         = ephemeral.aws_secretsmanager_random_password.secret_key.random_password
  secret_string_wo_version = var.secret_key_version
}

# Secrets of the application's own: a placeholder, until somebody sets the value, which no later apply touches.
resource "aws_secretsmanager_secret" "application" {
  #checkov:skip=CKV2_AWS_57:only who issued such a secret can replace it
  for_each = var.application

  name                    = "${var.name}/${each.key}"
  description             = "Read by the application as ${each.key}"
  kms_key_id              = var.kms_key_arn
  recovery_window_in_days = var.recovery_window_days
}

resource "aws_secretsmanager_secret_version" "application" {
  for_each = aws_secretsmanager_secret.application

  secret_id                = each.value.id
  secret_string_wo         = "unset"
  secret_string_wo_version = 1
}
