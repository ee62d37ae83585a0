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
  name                = "shop"
  cluster_arn         = "arn:aws:ecs:us-east-1:123456789012:cluster/c"
  task_definition_arn = "arn:aws:ecs:us-east-1:123456789012:task-definition/shop:1"
  replica_count       = 2
  vpc_id              = "vpc-1"
  subnet_ids          = ["subnet-1", "subnet-2"]
  target_group_arn    = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/t/1"
  container_name      = "shop"
  container_port      = 5000
  deployment_alarms   = { enabled = false, names = ["one", "two"] }
}

run "rolling_without_a_gap" {
  command = plan

  module {
    source = "./modules/service"
  }

  assert {
    condition     = aws_ecs_service.fixed[0].name == "shop-service" && aws_ecs_service.fixed[0].desired_count == 2 && aws_ecs_service.fixed[0].launch_type == "FARGATE"
    error_message = "The design's service."
  }

  assert {
    condition     = aws_ecs_service.fixed[0].deployment_minimum_healthy_percent == 100 && aws_ecs_service.fixed[0].deployment_maximum_percent == 200
    error_message = "Never fewer than wanted."
  }

  assert {
    condition     = aws_ecs_service.fixed[0].deployment_circuit_breaker[0].enable && aws_ecs_service.fixed[0].deployment_circuit_breaker[0].rollback && aws_ecs_service.fixed[0].wait_for_steady_state
    error_message = "A bad version must be rolled back, and apply must wait to see it."
  }

  assert {
    condition     = !aws_ecs_service.fixed[0].network_configuration[0].assign_public_ip && length(aws_ecs_service.scaled) == 0
    error_message = "No public address, one service."
  }

  assert {
    condition     = !aws_ecs_service.fixed[0].alarms[0].enable && !aws_ecs_service.fixed[0].alarms[0].rollback && aws_ecs_service.fixed[0].timeouts.update == "10m"
    error_message = "ECS acts on no alarm."
  }

  # Without a name the provider sends no list, which its SDK refuses: alarms could not be switched off again.
  assert {
    condition     = aws_ecs_service.fixed[0].alarms[0].alarm_names == toset(["one", "two"])
    error_message = "What is switched off must be named."
  }
}

run "alarms_roll_a_deployment_back" {
  command = plan

  module {
    source = "./modules/service"
  }

  variables {
    deployment_alarms = { enabled = true, names = ["one", "two"] }
  }

  assert {
    condition     = aws_ecs_service.fixed[0].alarms[0].enable && aws_ecs_service.fixed[0].alarms[0].rollback && aws_ecs_service.fixed[0].alarms[0].alarm_names == toset(["one", "two"])
    error_message = "ECS watches both alarms and goes back by itself."
  }

  assert {
    condition     = aws_ecs_service.fixed[0].timeouts.update == "20m"
    error_message = "Apply must wait until ECS has stopped watching."
  }
}

run "auto_scaling_owns_the_count" {
  command = plan

  module {
    source = "./modules/service"
  }

  variables {
    autoscaling       = true
    deployment_alarms = { enabled = true, names = ["one"] }
  }

  assert {
    condition     = length(aws_ecs_service.scaled) == 1 && length(aws_ecs_service.fixed) == 0 && aws_ecs_service.scaled[0].deployment_circuit_breaker[0].rollback && aws_ecs_service.scaled[0].alarms[0].rollback && aws_ecs_service.scaled[0].wait_for_steady_state
    error_message = "The other service takes over, as careful."
  }
}

run "public_subnets" {
  command = plan

  module {
    source = "./modules/service"
  }

  variables {
    assign_public_ip = true
    execute_command  = true
  }

  assert {
    condition     = aws_ecs_service.fixed[0].network_configuration[0].assign_public_ip && aws_ecs_service.fixed[0].enable_execute_command
    error_message = "Both settings must arrive."
  }
}

run "prerequisites_arrive" {
  command = plan

  module {
    source = "./modules/service"
  }

  variables {
    prerequisites = ["sgr-1"]
  }

  assert {
    condition     = length(aws_ecs_service.fixed) == 1
    error_message = "What exists holds nothing up."
  }
}

# Refused here: a name with capitals, no cluster, no task definition, no replica, one subnet, no target group, no container, a port that is none, no vpc, far too many prerequisites, more alarms than anybody watches.
run "refuses_nonsense" {
  command = plan

  module {
    source = "./modules/service"
  }

  variables {
    name                = "Shop"
    cluster_arn         = ""
    task_definition_arn = ""
    replica_count       = 0
    subnet_ids          = ["subnet-1"]
    target_group_arn    = ""
    container_name      = ""
    container_port      = 0
    vpc_id              = ""
    prerequisites       = [for number in range(200) : tostring(number)]
    deployment_alarms   = { enabled = true, names = [for number in range(11) : tostring(number)] }
  }

  expect_failures = [var.name, var.cluster_arn, var.task_definition_arn, var.replica_count, var.subnet_ids, var.target_group_arn, var.container_name, var.container_port, var.vpc_id, var.prerequisites, var.deployment_alarms]
}

run "refuses_no_name" {
  command = plan

  module {
    source = "./modules/service"
  }

  variables {
    deployment_alarms = { enabled = false, names = [] }
  }

  expect_failures = [var.deployment_alarms]
}
