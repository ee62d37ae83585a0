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
  region     = "eu-west-1"
}

run "the_key_rotates_and_its_policy_names_no_stranger" {
  command = plan

  module {
    source = "./modules/encryption"
  }

  assert {
    condition     = aws_kms_key.main.enable_key_rotation && aws_kms_key.main.deletion_window_in_days == 30
    error_message = "The key must rotate, and deletion must leave time."
  }

  assert {
    condition     = aws_kms_alias.main.name == "alias/shop"
    error_message = "The key must be found by its alias."
  }

  assert {
    condition     = [for statement in jsondecode(aws_kms_key.main.policy).Statement : try(statement.Principal.AWS, "") if statement.Sid == "AccountAdministers"] == ["arn:aws:iam::123456789012:root"]
    error_message = "Only the own account administers the key."
  }

  assert {
    condition     = alltrue([for statement in jsondecode(aws_kms_key.main.policy).Statement : can(statement.Condition) || statement.Sid == "AccountAdministers"])
    error_message = "Services may use the key only for this account."
  }

  assert {
    condition     = strcontains(aws_kms_key.main.policy, "logs.eu-west-1.amazonaws.com")
    error_message = "Logs of the region must be able to use the key."
  }
}

run "a_short_farewell" {
  command = plan

  module {
    source = "./modules/encryption"
  }

  variables {
    deletion_window_days = 7
  }

  assert {
    condition     = aws_kms_key.main.deletion_window_in_days == 7
    error_message = "The window must arrive."
  }
}

# Refused here: a name with capitals, an account that is none, a region that is none, a window that kms does not offer.
run "refuses_nonsense" {
  command = plan

  module {
    source = "./modules/encryption"
  }

  variables {
    name                 = "Shop"
    account_id           = "1"
    region               = "virginia"
    deletion_window_days = 3
  }

  expect_failures = [var.name, var.account_id, var.region, var.deletion_window_days]
}
