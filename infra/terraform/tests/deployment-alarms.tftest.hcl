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
  errors_percent           = 5
  latency_seconds          = 1
  requests                 = 20
  minutes                  = 2
  load_balancer_arn_suffix = "app/a/1"
  target_group_arn_suffix  = "targetgroup/t/1"
}

run "errors_and_latency_of_the_target_group" {
  command = plan

  module {
    source = "./modules/deployment-alarms"
  }

  assert {
    condition     = output.alarm_names == tolist(["shop-deployment-errors", "shop-deployment-latency", "shop-deployment-unanswered"])
    error_message = "Three alarms, by the names that the role of the environment may write."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.main["errors"].threshold == 5 && aws_cloudwatch_metric_alarm.main["unanswered"].threshold == 5 && aws_cloudwatch_metric_alarm.main["latency"].threshold == 1 && aws_cloudwatch_metric_alarm.main["errors"].evaluation_periods == 2 && aws_cloudwatch_metric_alarm.main["errors"].datapoints_to_alarm == 2
    error_message = "The settings must arrive."
  }

  assert {
    condition     = one([for query in aws_cloudwatch_metric_alarm.main["errors"].metric_query : query.expression if query.id == "value"]) == "IF(requests >= 20, 100 * watched / requests, 0)"
    error_message = "Errors are counted against requests, and few requests say nothing."
  }

  assert {
    condition     = one([for query in aws_cloudwatch_metric_alarm.main["unanswered"].metric_query : query.expression if query.id == "value"]) == "IF((FILL(requests, 0) + watched) >= 20, 100 * watched / (FILL(requests, 0) + watched), 0)"
    error_message = "A request for which there was no task is counted by the load balancer's own answers alone."
  }

  assert {
    condition     = alltrue(flatten([for alarm in aws_cloudwatch_metric_alarm.main : [for query in alarm.metric_query : [for metric in query.metric : metric.period == 60 && metric.dimensions == (startswith(metric.metric_name, "HTTPCode_ELB") ? tomap({ LoadBalancer = "app/a/1" }) : tomap({ LoadBalancer = "app/a/1", TargetGroup = "targetgroup/t/1" }))]]]))
    error_message = "A load balancer's figures are of a minute, and of this target group; it has no count of its own answers by target group."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.main["errors"].treat_missing_data == "notBreaching" && length(coalesce(aws_cloudwatch_metric_alarm.main["errors"].alarm_actions, [])) == 0
    error_message = "Without requests nothing is wrong; ECS alone acts."
  }
}

# Refused here: a name with capitals, more than all requests, no time at all, no request, half a minute, a balancer that is none, a group that is none.
run "refuses_nonsense" {
  command = plan

  module {
    source = "./modules/deployment-alarms"
  }

  variables {
    name                     = "Shop"
    errors_percent           = 100
    latency_seconds          = 0
    requests                 = 0
    minutes                  = 0.5
    load_balancer_arn_suffix = "a"
    target_group_arn_suffix  = "t"
  }

  expect_failures = [var.name, var.errors_percent, var.latency_seconds, var.requests, var.minutes, var.load_balancer_arn_suffix, var.target_group_arn_suffix]
}
