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

run "named_watched_recorded" {
  command = plan

  module {
    source = "./modules/cluster"
  }

  assert {
    condition     = aws_ecs_cluster.main.name == "shop-cluster"
    error_message = "The design's name."
  }

  assert {
    condition     = one(aws_ecs_cluster.main.setting).name == "containerInsights" && one(aws_ecs_cluster.main.setting).value == "enabled"
    error_message = "Tasks must be measured."
  }

  assert {
    condition     = aws_cloudwatch_log_group.application.name == "/ecs/shop" && aws_cloudwatch_log_group.application.retention_in_days == 365
    error_message = "The log must end."
  }

  assert {
    condition     = aws_ecs_cluster.main.configuration[0].execute_command_configuration[0].logging == "OVERRIDE"
    error_message = "Commands inside tasks must be recorded."
  }
}

run "retention_arrives" {
  command = plan

  module {
    source = "./modules/cluster"
  }

  variables {
    log_retention_days = 7
  }

  assert {
    condition     = aws_cloudwatch_log_group.application.retention_in_days == 7 && aws_cloudwatch_log_group.execute_command.retention_in_days == 7
    error_message = "Both logs must end."
  }
}

# Refused here: a name with capitals, a key that is no arn, a retention of nothing.
run "refuses_nonsense" {
  command = plan

  module {
    source = "./modules/cluster"
  }

  variables {
    name               = "Shop"
    kms_key_arn        = "key"
    log_retention_days = 0
  }

  expect_failures = [var.name, var.kms_key_arn, var.log_retention_days]
}
