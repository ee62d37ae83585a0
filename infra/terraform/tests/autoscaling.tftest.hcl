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
  cluster_name             = "c"
  service_name             = "s"
  min_replicas             = 2
  max_replicas             = 6
  load_balancer_arn_suffix = "app/a/1"
  target_group_arn_suffix  = "targetgroup/t/1"
}

run "cpu_and_requests" {
  command = plan

  module {
    source = "./modules/autoscaling"
  }

  assert {
    condition     = aws_appautoscaling_target.tasks.resource_id == "service/c/s" && aws_appautoscaling_target.tasks.min_capacity == 2 && aws_appautoscaling_target.tasks.max_capacity == 6
    error_message = "The range must arrive."
  }

  assert {
    condition     = aws_appautoscaling_policy.cpu.target_tracking_scaling_policy_configuration[0].target_value == 60 && aws_appautoscaling_policy.requests.target_tracking_scaling_policy_configuration[0].target_value == 1000
    error_message = "Sensible targets."
  }

  assert {
    condition     = aws_appautoscaling_policy.requests.target_tracking_scaling_policy_configuration[0].predefined_metric_specification[0].resource_label == "app/a/1/targetgroup/t/1"
    error_message = "The requests of this balancer's targets count."
  }
}

run "other_targets" {
  command = plan

  module {
    source = "./modules/autoscaling"
  }

  variables {
    cpu_percent         = 40
    requests_per_target = 200
  }

  assert {
    condition     = aws_appautoscaling_policy.cpu.target_tracking_scaling_policy_configuration[0].target_value == 40 && aws_appautoscaling_policy.requests.target_tracking_scaling_policy_configuration[0].target_value == 200
    error_message = "Both targets must arrive."
  }
}

# Refused here: a name with capitals, no cluster, no service, no replica, a target above all cpu, no request, a balancer that is none, a group that is none.
run "refuses_nonsense" {
  command = plan

  module {
    source = "./modules/autoscaling"
  }

  variables {
    name                     = "Shop"
    cluster_name             = ""
    service_name             = ""
    min_replicas             = 0
    cpu_percent              = 120
    requests_per_target      = 0
    load_balancer_arn_suffix = "a"
    target_group_arn_suffix  = "t"
  }

  expect_failures = [var.name, var.cluster_name, var.service_name, var.min_replicas, var.cpu_percent, var.requests_per_target, var.load_balancer_arn_suffix, var.target_group_arn_suffix]
}

run "refuses_no_room" {
  command = plan

  module {
    source = "./modules/autoscaling"
  }

  variables {
    max_replicas = 1
  }

  expect_failures = [var.max_replicas]
}
