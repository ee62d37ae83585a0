# Keeps the replicas running and replaces them without dropping a request.
#
# Whether auto scaling or replica_count decides the number of tasks is a property of the resource (ignore_changes takes no
# expression), hence two of them, of which exactly one exists. docs/terraform.md tells how to switch without downtime.

locals {
  service = {
    name                 = "${var.name}-service"
    grace_period_seconds = 60
    minimum_percent      = 100
    maximum_percent      = 200
  }

  # Tasks start the moment the service exists: everything that they need must be there.
  ready = alltrue([for id in var.prerequisites : id != ""])

  rolled_back = "ECS rolled the deployment back: the service still runs the previous task definition. Its alarms or the new tasks' last log lines tell why."
}

resource "aws_security_group" "tasks" {
  name        = "${var.name}-tasks"
  description = "Tasks, reached by the load balancer only"
  vpc_id      = var.vpc_id

  tags = { Name = "${var.name}-tasks" }
}

resource "aws_ecs_service" "fixed" {
  count = var.autoscaling ? 0 : 1

  name            = local.service.name
  cluster         = var.cluster_arn
  task_definition = var.task_definition_arn
  desired_count   = var.replica_count
  launch_type     = "FARGATE"

  deployment_minimum_healthy_percent = local.service.minimum_percent
  deployment_maximum_percent         = local.service.maximum_percent
  health_check_grace_period_seconds  = local.service.grace_period_seconds
  availability_zone_rebalancing      = "ENABLED"
  enable_execute_command             = var.execute_command
  enable_ecs_managed_tags            = true
  propagate_tags                     = "SERVICE"
  wait_for_steady_state              = true

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  alarms {
    enable      = var.deployment_alarms.enabled
    rollback    = var.deployment_alarms.enabled
    alarm_names = var.deployment_alarms.names
  }

  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = [aws_security_group.tasks.id]
    assign_public_ip = var.assign_public_ip
  }

  load_balancer {
    target_group_arn = var.target_group_arn
    container_name   = var.container_name
    container_port   = var.container_port
  }

  timeouts {
    create = "10m"
    update = var.deployment_alarms.enabled ? "20m" : "10m" # ECS goes on watching when all tasks have been replaced
  }

  lifecycle {
    precondition {
      condition     = local.ready
      error_message = "Something that tasks need does not exist."
    }

    # A steady state is also reached by a rollback: without this, apply would call that a success.
    postcondition {
      condition     = self.task_definition == var.task_definition_arn
      error_message = local.rolled_back
    }
  }
}

resource "aws_ecs_service" "scaled" {
  count = var.autoscaling ? 1 : 0

  name            = local.service.name
  cluster         = var.cluster_arn
  task_definition = var.task_definition_arn
  desired_count   = var.replica_count
  launch_type     = "FARGATE"

  deployment_minimum_healthy_percent = local.service.minimum_percent
  deployment_maximum_percent         = local.service.maximum_percent
  health_check_grace_period_seconds  = local.service.grace_period_seconds
  availability_zone_rebalancing      = "ENABLED"
  enable_execute_command             = var.execute_command
  enable_ecs_managed_tags            = true
  propagate_tags                     = "SERVICE"
  wait_for_steady_state              = true

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  alarms {
    enable      = var.deployment_alarms.enabled
    rollback    = var.deployment_alarms.enabled
    alarm_names = var.deployment_alarms.names
  }

  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = [aws_security_group.tasks.id]
    assign_public_ip = var.assign_public_ip
  }

  load_balancer {
    target_group_arn = var.target_group_arn
    container_name   = var.container_name
    container_port   = var.container_port
  }

  timeouts {
    create = "10m"
    update = var.deployment_alarms.enabled ? "20m" : "10m" # ECS goes on watching when all tasks have been replaced
  }

  lifecycle {
    ignore_changes = [desired_count]

    precondition {
      condition     = local.ready
      error_message = "Something that tasks need does not exist."
    }

    postcondition {
      condition     = self.task_definition == var.task_definition_arn
      error_message = local.rolled_back
    }
  }
}
