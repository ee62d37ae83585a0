# The real provider plans without asking AWS anything: policies are rendered as they will be.
provider "aws" {
  region                      = "us-east-1"
  access_key                  = "none"
  secret_key                  = "none"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_region_validation      = true
  skip_requesting_account_id  = true
}

variables {
  name       = "shop"
  account_id = "123456789012"
  region     = "us-east-1"
}

run "closed_versioned_encrypted" {
  command = plan

  module {
    source = "./modules/log-bucket"
  }

  assert {
    condition     = aws_s3_bucket.main.bucket == "shop-123456789012-us-east-1-access-logs" && !aws_s3_bucket.main.force_destroy
    error_message = "The name must be unique, the logs must be kept."
  }

  assert {
    condition     = aws_s3_bucket_public_access_block.main.block_public_acls && aws_s3_bucket_public_access_block.main.block_public_policy && aws_s3_bucket_public_access_block.main.ignore_public_acls && aws_s3_bucket_public_access_block.main.restrict_public_buckets
    error_message = "Nobody outside may read."
  }

  assert {
    condition     = aws_s3_bucket_versioning.main.versioning_configuration[0].status == "Enabled"
    error_message = "Logs must not be overwritten unseen."
  }

  assert {
    condition     = aws_s3_bucket_lifecycle_configuration.main.rule[0].expiration[0].days == 365
    error_message = "Logs must end."
  }
}

run "written_by_load_balancers_only" {
  command = plan

  module {
    source = "./modules/log-bucket"
  }

  # Not rendered before the bucket's ARN is known; the statement is.
  assert {
    condition     = contains(flatten([for statement in data.aws_iam_policy_document.main.statement : [for one in statement.principals : one.identifiers]]), "logdelivery.elasticloadbalancing.amazonaws.com") && output.prefix == "AWSLogs/123456789012/"
    error_message = "Load balancers write, below their own prefix."
  }

  assert {
    condition = flatten([for statement in data.aws_iam_policy_document.main.statement : [for limit in statement.condition : [limit.test, limit.variable, limit.values]] if statement.sid == "ServiceWrites"]) == [
      "ArnLike", "aws:SourceArn", "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/*"
    ]
    error_message = "Nobody else's load balancer writes here, and no key that AWS does not send is asked for."
  }
}

run "written_by_s3" {
  command = plan

  module {
    source = "./modules/log-bucket"
  }

  variables {
    writer = "logging.s3.amazonaws.com"
  }

  assert {
    condition     = contains(flatten([for statement in data.aws_iam_policy_document.main.statement : [for one in statement.principals : one.identifiers]]), "logging.s3.amazonaws.com")
    error_message = "S3 must be allowed to write."
  }
}

run "thrown_away_with_its_logs" {
  command = plan

  module {
    source = "./modules/log-bucket"
  }

  variables {
    force_destroy  = true
    retention_days = 30
  }

  assert {
    condition     = aws_s3_bucket.main.force_destroy && aws_s3_bucket_lifecycle_configuration.main.rule[0].expiration[0].days == 30
    error_message = "Both settings must arrive."
  }
}

# Refused here: a name with capitals, an account that is none, a region that is none, a writer that nobody knows, a retention of nothing.
run "refuses_nonsense" {
  command = plan

  module {
    source = "./modules/log-bucket"
  }

  variables {
    name           = "Shop"
    account_id     = "1"
    region         = "virginia"
    writer         = "ec2.amazonaws.com"
    retention_days = 0
  }

  expect_failures = [var.name, var.account_id, var.region, var.writer, var.retention_days]
}
