# Bucket for access logs: of a load balancer, or of another bucket.

data "aws_partition" "current" {}

locals {
  bucket = "${var.name}-${var.account_id}-${var.region}-access-logs"
  prefix = "AWSLogs/${var.account_id}/"

  # Application Load Balancer guide, access logs: AWS names the source by its ARN. S3 names the account as well.
  sources = {
    "logdelivery.elasticloadbalancing.amazonaws.com" = {
      "aws:SourceArn" = "arn:${data.aws_partition.current.partition}:elasticloadbalancing:${var.region}:${var.account_id}:loadbalancer/*"
    }
    "logging.s3.amazonaws.com" = {
      "aws:SourceArn"     = "arn:${data.aws_partition.current.partition}:s3:::*"
      "aws:SourceAccount" = var.account_id
    }
  }
}

resource "aws_s3_bucket" "main" {
  #checkov:skip=CKV_AWS_18:this is the log bucket; logging its own writes would never end
  #checkov:skip=CKV_AWS_144:access logs expire and are not worth a copy in a second region
  #checkov:skip=CKV_AWS_145:load balancers can write only to buckets with Amazon's own key (SSE-S3)
  bucket        = local.bucket
  force_destroy = var.force_destroy
}

resource "aws_s3_bucket_public_access_block" "main" {
  bucket = aws_s3_bucket.main.id

  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "main" {
  bucket = aws_s3_bucket.main.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_versioning" "main" {
  bucket = aws_s3_bucket.main.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "main" {
  bucket = aws_s3_bucket.main.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "main" {
  bucket = aws_s3_bucket.main.id

  rule {
    id     = "expire"
    status = "Enabled"

    filter {}

    expiration {
      days = var.retention_days
    }

    noncurrent_version_expiration {
      noncurrent_days = 7
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  depends_on = [aws_s3_bucket_versioning.main]
}

data "aws_iam_policy_document" "main" {
  statement {
    sid       = "ServiceWrites"
    actions   = ["s3:PutObject"]
    resources = ["${aws_s3_bucket.main.arn}/${local.prefix}*"]

    principals {
      type        = "Service"
      identifiers = [var.writer]
    }

    dynamic "condition" {
      for_each = local.sources[var.writer]

      content {
        test     = condition.key == "aws:SourceArn" ? "ArnLike" : "StringEquals"
        variable = condition.key
        values   = [condition.value]
      }
    }
  }

  statement {
    sid       = "TlsOnly"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.main.arn, "${aws_s3_bucket.main.arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_s3_bucket_policy" "main" {
  bucket = aws_s3_bucket.main.id
  policy = data.aws_iam_policy_document.main.json

  depends_on = [aws_s3_bucket_public_access_block.main]
}

# Lets a rule react to new logs; costs nothing while none does.
resource "aws_s3_bucket_notification" "main" {
  bucket      = aws_s3_bucket.main.id
  eventbridge = true
}
