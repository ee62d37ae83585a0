# The key that signs the images of an application. Its private half never leaves KMS; who may sign is decided by IAM, and
# everybody who may read the images may read the public half.

data "aws_partition" "current" {}

locals {
  partition = data.aws_partition.current.partition

  # A key policy names its own key as "*".
  policy = {
    Version = "2012-10-17"
    Statement = concat(
      [{
        Sid       = "AccountAdministers"
        Effect    = "Allow"
        Principal = { AWS = "arn:${local.partition}:iam::${var.account_id}:root" }
        Action    = "kms:*"
        Resource  = "*"
      }],
      [for accounts in [var.reader_account_ids] : {
        Sid       = "OtherAccountsVerify"
        Effect    = "Allow"
        Principal = { AWS = [for id in accounts : "arn:${local.partition}:iam::${id}:root"] }
        Action    = ["kms:GetPublicKey"]
        Resource  = "*"
      } if length(accounts) > 0],
    )
  }
}

resource "aws_kms_key" "main" {
  description              = "Signatures of the images of ${var.name}"
  customer_master_key_spec = "ECC_NIST_P256"
  key_usage                = "SIGN_VERIFY"
  deletion_window_in_days  = var.deletion_window_days
  policy                   = jsonencode(local.policy)
}

# The pipeline finds the key by this name (pipeline/attestations/kms.py).
resource "aws_kms_alias" "main" {
  name          = "alias/${var.name}-images"
  target_key_id = aws_kms_key.main.key_id
}
