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
  environment = "staging"
  limit_usd   = 150
  topic_arns  = ["arn:aws:sns:us-east-1:123456789012:t"]
}

run "a_word_before_the_bill" {
  command = plan

  module {
    source = "./modules/budget"
  }

  assert {
    condition     = aws_budgets_budget.main.limit_amount == "150.0" && aws_budgets_budget.main.time_unit == "MONTHLY"
    error_message = "The limit must arrive."
  }

  assert {
    condition     = toset([for notice in aws_budgets_budget.main.notification : "${notice.notification_type} ${notice.threshold}"]) == toset(["ACTUAL 80", "FORECASTED 100"])
    error_message = "Both words must be said."
  }

  assert {
    condition     = contains(one(aws_budgets_budget.main.cost_filter).values, "user:Environment$staging")
    error_message = "Only this environment counts."
  }
}

run "by_mail" {
  command = plan

  module {
    source = "./modules/budget"
  }

  variables {
    topic_arns = []
    emails     = ["ops@example.com"]
  }

  assert {
    condition     = alltrue([for notice in aws_budgets_budget.main.notification : contains(notice.subscriber_email_addresses, "ops@example.com")])
    error_message = "The address must be told."
  }
}

# Refused here: a name with capitals, no environment, no limit, an address that is none.
run "refuses_nonsense" {
  command = plan

  module {
    source = "./modules/budget"
  }

  variables {
    name        = "Shop"
    environment = ""
    limit_usd   = 0
    emails      = ["ops"]
  }

  expect_failures = [var.name, var.environment, var.limit_usd, var.emails]
}

run "refuses_nobody_to_tell" {
  command = plan

  module {
    source = "./modules/budget"
  }

  variables {
    topic_arns = []
  }

  expect_failures = [var.topic_arns]
}
