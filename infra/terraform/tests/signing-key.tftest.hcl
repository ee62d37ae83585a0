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
}

run "the_key_signs_and_is_found_by_its_name" {
  command = plan

  module {
    source = "./modules/signing-key"
  }

  assert {
    condition     = aws_kms_key.main.customer_master_key_spec == "ECC_NIST_P256" && aws_kms_key.main.key_usage == "SIGN_VERIFY"
    error_message = "The pipeline verifies ECDSA over P-256."
  }

  assert {
    condition     = aws_kms_alias.main.name == "alias/shop-images"
    error_message = "The pipeline finds the key by its alias."
  }

  assert {
    condition     = [for statement in jsondecode(aws_kms_key.main.policy).Statement : statement.Principal.AWS] == ["arn:aws:iam::123456789012:root"]
    error_message = "No other account has anything to do with the key."
  }
}

run "other_accounts_verify_and_do_not_sign" {
  command = plan

  module {
    source = "./modules/signing-key"
  }

  variables {
    reader_account_ids = ["210987654321"]
  }

  assert {
    condition     = [for statement in jsondecode(aws_kms_key.main.policy).Statement : statement.Action if statement.Sid == "OtherAccountsVerify"] == [["kms:GetPublicKey"]]
    error_message = "Accounts that run the images read the public half alone."
  }
}

# Refused here: a name with capitals, accounts that are none, a window that kms does not offer.
run "refuses_nonsense" {
  command = plan

  module {
    source = "./modules/signing-key"
  }

  variables {
    name                 = "Shop"
    account_id           = "1"
    reader_account_ids   = ["2"]
    deletion_window_days = 3
  }

  expect_failures = [var.name, var.account_id, var.reader_account_ids, var.deletion_window_days]
}
