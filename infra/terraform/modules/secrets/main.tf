# The application's signing key: made by AWS, written once, never part of a plan or the state. Raising the version makes a
# new one; the one before is still accepted.

locals {
  key     = "secret-key"
  rotated = var.secret_key_version == 1 ? false : terraform_data.first_version.output < var.secret_key_version
}

ephemeral "aws_secretsmanager_random_password" "secret_key" {
  password_length     = 64
  exclude_punctuation = true
}

# The application's own secrets begin as a placeholder, until somebody sets the value, which no later apply touches.
resource "aws_secretsmanager_secret" "main" {
  #checkov:skip=CKV2_AWS_57:the key is replaced by secret_key_version, the others by those alone who issued them
  for_each = merge(
    { (local.key) = "Signing key of the application's sessions" },
    { for name in var.application : name => "Read by the application as ${name}" },
  )

  name                    = "${var.name}/${each.key}"
  description             = each.value
  kms_key_id              = var.kms_key_arn
  recovery_window_in_days = var.recovery_window_days
}

moved {
  from = aws_secretsmanager_secret.secret_key
  to   = aws_secretsmanager_secret.main["secret-key"]
}

resource "aws_secretsmanager_secret_version" "secret_key" {
  secret_id                = aws_secretsmanager_secret.main[local.key].id
  secret_string_wo         = ephemeral.aws_secretsmanager_random_password.secret_key.random_password
  secret_string_wo_version = var.secret_key_version
}

# The version that the secret began with: Secrets Manager has no AWSPREVIOUS before the second one.
resource "terraform_data" "first_version" {
  input            = var.secret_key_version
  triggers_replace = aws_secretsmanager_secret.main[local.key].arn

  lifecycle {
    ignore_changes = [input]
  }
}

resource "aws_secretsmanager_secret_version" "application" {
  for_each = var.application

  secret_id                = aws_secretsmanager_secret.main[each.key].id
  secret_string_wo         = "unset"
  secret_string_wo_version = 1
}
