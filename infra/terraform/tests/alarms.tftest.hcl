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
  name                     = "shop"
  account_id               = "123456789012"
  kms_key_arn              = "arn:aws:kms:us-east-1:123456789012:key/1"
  cluster_name             = "c"
  service_name             = "s"
  load_balancer_arn_suffix = "app/a/1"
  target_group_arn_suffix  = "targetgroup/t/1"
}

run "without_a_database" {
  command = plan

  module {
    source = "./modules/alarms"
  }

  assert {
    condition     = toset(keys(aws_cloudwatch_metric_alarm.high)) == toset(["application-errors", "balancer-errors", "latency", "unhealthy-hosts", "cpu", "memory"]) && keys(aws_cloudwatch_metric_alarm.low) == ["no-healthy-hosts"]
    error_message = "Requests, targets and tasks must be watched."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.low["no-healthy-hosts"].treat_missing_data == "breaching" && aws_cloudwatch_metric_alarm.low["no-healthy-hosts"].threshold == 1
    error_message = "Without a task nothing has figures: that must go off."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.high["latency"].extended_statistic == "p95" && aws_cloudwatch_metric_alarm.high["latency"].statistic == null
    error_message = "Latency is watched by percentile."
  }

  assert {
    condition     = aws_sns_topic.main.name == "shop-alarms" && length(aws_sns_topic_subscription.email) == 0
    error_message = "One topic, no one told unasked."
  }
}

run "with_a_database_and_somebody_to_tell" {
  command = plan

  module {
    source = "./modules/alarms"
  }

  variables {
    emails   = ["ops@example.com"]
    database = { identifier = "db", storage_gb = 20, max_connections = 100 }
  }

  assert {
    condition     = contains(keys(aws_cloudwatch_metric_alarm.high), "database-connections") && aws_cloudwatch_metric_alarm.high["database-connections"].threshold == 80
    error_message = "Four fifths of the connections."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.low["database-storage"].threshold == 2147483648 && aws_cloudwatch_metric_alarm.low["database-storage"].comparison_operator == "LessThanThreshold"
    error_message = "A tenth of the storage."
  }

  assert {
    condition     = aws_sns_topic_subscription.email["ops@example.com"].protocol == "email"
    error_message = "The address must be subscribed."
  }
}

# Refused here: a name with capitals, an account that is none, a key that is no arn, an address that is none, no cluster, no service, a balancer that is none, a group that is none, a database without connections.
run "refuses_nonsense" {
  command = plan

  module {
    source = "./modules/alarms"
  }

  variables {
    name                     = "Shop"
    account_id               = "1"
    kms_key_arn              = "key"
    emails                   = ["ops"]
    cluster_name             = ""
    service_name             = ""
    load_balancer_arn_suffix = "a"
    target_group_arn_suffix  = "t"
    database                 = { identifier = "db", storage_gb = 20, max_connections = 0 }
  }

  expect_failures = [var.name, var.account_id, var.kms_key_arn, var.emails, var.cluster_name, var.service_name, var.load_balancer_arn_suffix, var.target_group_arn_suffix, var.database]
}
