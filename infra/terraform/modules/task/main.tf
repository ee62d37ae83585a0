# What one replica is: migrate first where there is something to migrate, then serve, with a read-only root file system and no right it does not need.

locals {
  # Only these paths can be written; they are empty at each start.
  writable = { for path in var.writable : replace(trimprefix(path, "/"), "/", "-") => path }

  shared = {
    image                  = var.image
    user                   = "10001"
    readonlyRootFilesystem = true

    environment = [for name in sort(keys(var.environment)) : { name = name, value = var.environment[name] }]
    secrets     = [for name in sort(keys(var.secrets)) : { name = name, valueFrom = var.secrets[name] }]
    mountPoints = [for name in sort(keys(local.writable)) : { sourceVolume = name, containerPath = local.writable[name], readOnly = false }]

    linuxParameters = {
      capabilities       = { add = [], drop = ["ALL"] }
      initProcessEnabled = true
    }
  }

  migrate = merge(local.shared, {
    name             = "migrate"
    essential        = false
    command          = var.migrate_command
    logConfiguration = local.log_configuration["migrate"]
  })

  migrations = [for container in [local.migrate] : container if length(var.migrate_command) > 0]

  serve = merge(local.shared, {
    name             = var.name
    essential        = true
    stopTimeout      = var.stop_timeout_seconds
    logConfiguration = local.log_configuration["app"]
    dependsOn        = [for container in local.migrations : { containerName = container.name, condition = "SUCCESS" }]
    portMappings     = [{ containerPort = var.container_port, hostPort = var.container_port, protocol = "tcp" }]

    # ECS ignores the image's own HEALTHCHECK. Liveness alone; the target group checks readiness, and ECS replaces a task
    # that fails either, so that a database outage of more than 15 s replaces tasks in vain until it ends.
    healthCheck = {
      command = [
        "CMD", "python", "-c",
        "import http.client as h; c = h.HTTPConnection('127.0.0.1', ${var.container_port}, timeout=2); c.request('GET', '${var.health_check_path}'); raise SystemExit(c.getresponse().status >= 400)",
      ]
      interval    = 15
      timeout     = 5
      retries     = 3
      startPeriod = 30
    }
  })

  log_configuration = {
    for prefix in ["migrate", "app"] : prefix => {
      logDriver = "awslogs"
      options = {
        awslogs-group         = var.log_group_name
        awslogs-region        = var.region
        awslogs-stream-prefix = prefix
        # A slow log service must not stop the application.
        mode            = "non-blocking"
        max-buffer-size = "4m"
      }
    }
  }
}

resource "aws_ecs_task_definition" "main" {
  family                   = var.name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory
  execution_role_arn       = var.execution_role_arn
  task_role_arn            = var.task_role_arn
  container_definitions    = jsonencode(concat(local.migrations, [local.serve]))

  # A rollback needs the revision before: it is never deregistered.
  skip_destroy = true

  runtime_platform {
    cpu_architecture        = "X86_64"
    operating_system_family = "LINUX"
  }

  dynamic "volume" {
    for_each = local.writable

    content {
      name = volume.key
    }
  }
}
