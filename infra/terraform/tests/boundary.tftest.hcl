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
  name        = "shop-staging"
  application = "shop"
  environment = "staging"
  account_id  = "123456789012"
}

run "no_wildcard_and_no_iam" {
  command = plan

  module {
    source = "./modules/boundary"
  }

  assert {
    condition     = alltrue(flatten([for statement in jsondecode(aws_iam_policy.main.policy).Statement : [for action in flatten([statement.Action]) : !strcontains(action, "*") && !startswith(action, "iam:") && !startswith(action, "sts:")]]))
    error_message = "No role of an environment may give rights to others."
  }

  assert {
    condition     = [for statement in jsondecode(aws_iam_policy.main.policy).Statement : statement.Resource if contains(flatten([statement.Action]), "logs:DescribeLogGroups")] == ["*"]
    error_message = "IAM limits logs:DescribeLogGroups to no resource: limited, it is never allowed."
  }

  assert {
    condition     = aws_iam_policy.main.name == "shop-staging-boundary"
    error_message = "The environment finds it by this name."
  }

  assert {
    condition = {
      for statement in jsondecode(aws_iam_policy.main.policy).Statement : statement.Sid => [statement.Resource, try(statement.Condition, null)] if strcontains(statement.Sid, "Secret")
      } == {
      Secrets        = ["arn:aws:secretsmanager:*:123456789012:secret:shop-staging/*", null]
      DatabaseSecret = ["arn:aws:secretsmanager:*:123456789012:secret:rds!*", { ArnLike = { "aws:ResourceTag/aws:rds:primaryDBInstanceArn" = "arn:aws:rds:*:123456789012:db:shop-staging" } }]
    }
    error_message = "No role reads another environment's secrets."
  }
}

# Refused here: a name with capitals, an account that is none.
run "refuses_nonsense" {
  command = plan

  module {
    source = "./modules/boundary"
  }

  variables {
    name        = "Shop"
    application = "Shop"
    environment = "Staging"
    account_id  = "1"
  }

  expect_failures = [var.name, var.application, var.environment, var.account_id]
}
