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
  name        = "shop-state-123456789012-us-east-1"
  kms_key_arn = "arn:aws:kms:us-east-1:123456789012:key/1"

  log_bucket = "logs"
  log_prefix = "AWSLogs/123456789012/"
}

run "every_version_kept_and_encrypted" {
  command = plan

  module {
    source = "./modules/state-bucket"
  }

  assert {
    condition     = aws_s3_bucket_versioning.main.versioning_configuration[0].status == "Enabled" && !aws_s3_bucket.main.force_destroy
    error_message = "A lost state can be restored."
  }

  assert {
    condition     = one(one(aws_s3_bucket_server_side_encryption_configuration.main.rule).apply_server_side_encryption_by_default).sse_algorithm == "aws:kms"
    error_message = "Encrypted with our key."
  }

  assert {
    condition     = aws_s3_bucket_public_access_block.main.restrict_public_buckets && aws_s3_bucket_public_access_block.main.block_public_policy
    error_message = "Never public."
  }

  assert {
    condition     = one(aws_s3_bucket_lifecycle_configuration.main.rule[0].noncurrent_version_expiration).newer_noncurrent_versions == 20 && one(aws_s3_bucket_lifecycle_configuration.main.rule[0].noncurrent_version_expiration).noncurrent_days == 90
    error_message = "The newest versions stay."
  }
}

run "each_access_is_logged" {
  command = plan

  module {
    source = "./modules/state-bucket"
  }

  assert {
    condition     = aws_s3_bucket_logging.main.target_bucket == "logs" && aws_s3_bucket_logging.main.target_prefix == "AWSLogs/123456789012/state/"
    error_message = "S3 may write nowhere else."
  }
}

run "other_values" {
  command = plan

  module {
    source = "./modules/state-bucket"
  }

  variables {
    keep_versions_days = 30
    force_destroy      = true
  }

  assert {
    condition     = aws_s3_bucket.main.force_destroy && one(aws_s3_bucket_lifecycle_configuration.main.rule[0].noncurrent_version_expiration).noncurrent_days == 30
    error_message = "Both settings must arrive."
  }
}

# Refused here: a name that s3 refuses, a key that is no arn, a log bucket and a prefix that are none, to forget at once.
run "refuses_nonsense" {
  command = plan

  module {
    source = "./modules/state-bucket"
  }

  variables {
    name               = "State_Bucket"
    kms_key_arn        = "key"
    log_bucket         = "Logs"
    log_prefix         = "logs"
    keep_versions_days = 1
  }

  expect_failures = [var.name, var.kms_key_arn, var.log_bucket, var.log_prefix, var.keep_versions_days]
}
