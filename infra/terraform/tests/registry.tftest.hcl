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
  name        = "shop"
  kms_key_arn = "arn:aws:kms:us-east-1:123456789012:key/1"
}

run "tags_stay_images_are_scanned_and_end" {
  command = plan

  module {
    source = "./modules/registry"
  }

  assert {
    condition     = aws_ecr_repository.main.image_tag_mutability == "IMMUTABLE" && aws_ecr_repository.main.image_scanning_configuration[0].scan_on_push && aws_ecr_repository.main.encryption_configuration[0].encryption_type == "KMS"
    error_message = "Immutable, scanned, encrypted."
  }

  assert {
    condition     = [for rule in jsondecode(aws_ecr_lifecycle_policy.main.policy).rules : rule.selection.countNumber] == [1000, 100] && !aws_ecr_repository.main.force_delete
    error_message = "Old images go, the registry stays."
  }

  assert {
    condition     = length(aws_ecr_repository_policy.pull) == 0
    error_message = "Nobody else may pull."
  }
}

run "another_account_pulls" {
  command = plan

  module {
    source = "./modules/registry"
  }

  variables {
    pull_account_ids = ["210987654321"]
    keep_images      = 20
    keep_deployed    = 200
    force_delete     = true
  }

  assert {
    condition     = jsondecode(aws_ecr_repository_policy.pull[0].policy).Statement[0].Principal.AWS == "arn:aws:iam::210987654321:root"
    error_message = "That account may pull."
  }

  assert {
    condition     = jsondecode(aws_ecr_lifecycle_policy.main.policy).rules[1].selection.countNumber == 20 && jsondecode(aws_ecr_lifecycle_policy.main.policy).rules[0].selection.countNumber == 200 && aws_ecr_repository.main.force_delete
    error_message = "All settings must arrive."
  }
}

# Refused here: a name with capitals, a key that is no arn, to keep few images, to keep few that were deployed, an account that is none.
run "refuses_nonsense" {
  command = plan

  module {
    source = "./modules/registry"
  }

  variables {
    name             = "Shop"
    kms_key_arn      = "key"
    keep_images      = 3
    keep_deployed    = 10
    pull_account_ids = ["1"]
  }

  expect_failures = [var.name, var.kms_key_arn, var.keep_images, var.keep_deployed, var.pull_account_ids]
}
