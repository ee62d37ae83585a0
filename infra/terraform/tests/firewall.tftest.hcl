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

run "known_attacks_and_floods" {
  command = plan

  module {
    source = "./modules/firewall"
  }

  assert {
    condition     = toset([for rule in aws_wafv2_web_acl.main.rule : rule.name]) == toset(["rate-limit", "AWSManagedRulesCommonRuleSet", "AWSManagedRulesKnownBadInputsRuleSet", "AWSManagedRulesSQLiRuleSet"])
    error_message = "Floods, common attacks, bad inputs, SQL injection."
  }

  assert {
    condition     = flatten([for rule in aws_wafv2_web_acl.main.rule : [for group in rule.statement[0].managed_rule_group_statement : [for override in group.rule_action_override : "${rule.name}: ${override.name}"]]]) == ["AWSManagedRulesCommonRuleSet: SizeRestrictions_BODY"]
    error_message = "A long form must pass, and nothing else be let through."
  }

  assert {
    condition     = aws_cloudwatch_log_group.main.name == "aws-waf-logs-shop" && aws_cloudwatch_log_group.main.retention_in_days == 365
    error_message = "What was refused must be recorded."
  }

  assert {
    condition     = one([for rule in aws_wafv2_web_acl.main.rule : rule.statement[0].rate_based_statement[0].limit if rule.name == "rate-limit"]) == 2000
    error_message = "The limit must be set."
  }

  assert {
    condition     = one(aws_wafv2_web_acl_logging_configuration.main.redacted_fields).single_header[0].name == "cookie"
    error_message = "Session cookies must not be logged."
  }
}

run "other_values" {
  command = plan

  module {
    source = "./modules/firewall"
  }

  variables {
    requests_per_5_minutes = 500
    log_retention_days     = 30
  }

  assert {
    condition     = one([for rule in aws_wafv2_web_acl.main.rule : rule.statement[0].rate_based_statement[0].limit if rule.name == "rate-limit"]) == 500 && aws_cloudwatch_log_group.main.retention_in_days == 30
    error_message = "Both settings must arrive."
  }
}

# Refused here: a name with capitals, a key that is no arn, a retention of nothing, a limit that waf does not offer.
run "refuses_nonsense" {
  command = plan

  module {
    source = "./modules/firewall"
  }

  variables {
    name                   = "Shop"
    kms_key_arn            = "key"
    log_retention_days     = 0
    requests_per_5_minutes = 10
  }

  expect_failures = [var.name, var.kms_key_arn, var.log_retention_days, var.requests_per_5_minutes]
}
