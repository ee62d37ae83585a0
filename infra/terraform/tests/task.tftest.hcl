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
  name               = "shop"
  region             = "eu-west-1"
  image              = "123456789012.dkr.ecr.us-east-1.amazonaws.com/shop@sha256:0000000000000000000000000000000000000000000000000000000000000000"
  container_port     = 5000
  health_check_path  = "/healthz"
  migrate_command    = ["python", "-m", "shop.migrate"]
  environment        = { ENVIRONMENT = "staging" }
  secrets            = { SECRET_KEY = "arn:aws:secretsmanager:us-east-1:123456789012:secret:a:::1" }
  execution_role_arn = "arn:aws:iam::123456789012:role/e"
  task_role_arn      = "arn:aws:iam::123456789012:role/t"
  log_group_name     = "/ecs/shop"
}

run "writes_to_the_folders_that_it_is_given" {
  command = plan

  module {
    source = "./modules/task"
  }

  variables {
    writable = ["/tmp", "/app/instance"]
  }

  assert {
    condition     = toset(one([for container in jsondecode(aws_ecs_task_definition.main.container_definitions) : container if container.name == "shop"]).mountPoints[*].containerPath) == toset(["/tmp", "/app/instance"]) && toset(aws_ecs_task_definition.main.volume[*].name) == toset(["tmp", "app-instance"])
    error_message = "Each folder is a volume."
  }
}

run "refuses_a_relative_folder" {
  command = plan

  module {
    source = "./modules/task"
  }

  variables {
    writable = ["instance"]
  }

  expect_failures = [var.writable]
}

run "migrate_then_serve_without_rights" {
  command = plan

  module {
    source = "./modules/task"
  }

  assert {
    condition     = aws_ecs_task_definition.main.family == "shop" && aws_ecs_task_definition.main.cpu == "256" && aws_ecs_task_definition.main.memory == "512" && aws_ecs_task_definition.main.network_mode == "awsvpc" && aws_ecs_task_definition.main.requires_compatibilities == toset(["FARGATE"])
    error_message = "The design's size."
  }

  assert {
    condition     = aws_ecs_task_definition.main.skip_destroy
    error_message = "A rollback needs the revision before."
  }

  assert {
    condition     = join(" ", one([for container in jsondecode(aws_ecs_task_definition.main.container_definitions) : container if container.name == "migrate"]).command) == "python -m shop.migrate"
    error_message = "Migrations have a container of their own."
  }

  assert {
    condition     = !one([for container in jsondecode(aws_ecs_task_definition.main.container_definitions) : container if container.name == "migrate"]).essential && one([for container in jsondecode(aws_ecs_task_definition.main.container_definitions) : container if container.name == "shop"]).essential && one([for container in jsondecode(aws_ecs_task_definition.main.container_definitions) : container if container.name == "shop"]).dependsOn[0].containerName == "migrate" && one([for container in jsondecode(aws_ecs_task_definition.main.container_definitions) : container if container.name == "shop"]).dependsOn[0].condition == "SUCCESS"
    error_message = "Serving must wait for the migrations."
  }

  assert {
    condition     = alltrue([for container in jsondecode(aws_ecs_task_definition.main.container_definitions) : container.readonlyRootFilesystem && container.user == "10001" && contains(container.linuxParameters.capabilities.drop, "ALL")])
    error_message = "No root, no writable root file system, no capability."
  }

  assert {
    condition     = alltrue([for container in jsondecode(aws_ecs_task_definition.main.container_definitions) : container.image == "123456789012.dkr.ecr.us-east-1.amazonaws.com/shop@sha256:0000000000000000000000000000000000000000000000000000000000000000"])
    error_message = "Both run the same image."
  }

  assert {
    condition     = join(" ", [for mount in one([for container in jsondecode(aws_ecs_task_definition.main.container_definitions) : container if container.name == "shop"]).mountPoints : mount.containerPath]) == "/data /tmp"
    error_message = "Only /data and /tmp can be written."
  }

  assert {
    condition     = one([for container in jsondecode(aws_ecs_task_definition.main.container_definitions) : container if container.name == "shop"]).portMappings[0].containerPort == 5000 && one([for container in jsondecode(aws_ecs_task_definition.main.container_definitions) : container if container.name == "shop"]).stopTimeout == 60 && strcontains(one([for container in jsondecode(aws_ecs_task_definition.main.container_definitions) : container if container.name == "shop"]).healthCheck.command[3], "/healthz")
    error_message = "Port, stop timeout, liveness."
  }

  assert {
    condition     = one([for container in jsondecode(aws_ecs_task_definition.main.container_definitions) : container if container.name == "shop"]).secrets[0].name == "SECRET_KEY" && one([for container in jsondecode(aws_ecs_task_definition.main.container_definitions) : container if container.name == "shop"]).environment[0].value == "staging"
    error_message = "Secrets are fetched, the rest is plain."
  }
}

run "other_values" {
  command = plan

  module {
    source = "./modules/task"
  }

  variables {
    cpu                  = 512
    memory               = 1024
    container_port       = 8080
    stop_timeout_seconds = 90
  }

  assert {
    condition     = aws_ecs_task_definition.main.cpu == "512" && aws_ecs_task_definition.main.memory == "1024" && one([for container in jsondecode(aws_ecs_task_definition.main.container_definitions) : container if container.name == "shop"]).portMappings[0].containerPort == 8080 && one([for container in jsondecode(aws_ecs_task_definition.main.container_definitions) : container if container.name == "shop"]).stopTimeout == 90
    error_message = "Every setting must arrive."
  }
}

run "fargates_largest_size" {
  command = plan

  module {
    source = "./modules/task"
  }

  variables {
    cpu    = 16384
    memory = 122880
  }

  assert {
    condition     = aws_ecs_task_definition.main.cpu == "16384" && aws_ecs_task_definition.main.memory == "122880"
    error_message = "All that Fargate offers must be accepted."
  }
}

run "serves_at_once_where_there_is_nothing_to_migrate" {
  command = plan

  module {
    source = "./modules/task"
  }

  variables {
    health_check_path = "/alive"
    migrate_command   = []
  }

  assert {
    condition     = [for container in jsondecode(aws_ecs_task_definition.main.container_definitions) : container.name] == ["shop"]
    error_message = "There is nothing but the application."
  }

  assert {
    condition     = length(jsondecode(aws_ecs_task_definition.main.container_definitions)[0].dependsOn) == 0 && strcontains(jsondecode(aws_ecs_task_definition.main.container_definitions)[0].healthCheck.command[3], "5000, timeout=2); c.request('GET', '/alive')")
    error_message = "Nothing is waited for, and the path is the one given."
  }
}

# Refused here: a name with capitals, a region that is none, a tag, a privileged port, a path without a slash, an empty argument, a size that fargate does not offer, little memory, a password in plain sight, a secret that is no secret, a stop timeout within the delay, no execution role, no task role, no log.
run "refuses_nonsense" {
  command = plan

  module {
    source = "./modules/task"
  }

  variables {
    name                 = "Shop"
    region               = "virginia"
    image                = "123456789012.dkr.ecr.us-east-1.amazonaws.com/shop:latest"
    container_port       = 80
    health_check_path    = "healthz"
    migrate_command      = ["python", ""]
    cpu                  = 300
    memory               = 128
    environment          = { DATABASE_PASSWORD = "x" }
    secrets              = { SECRET_KEY = "hunter2" }
    stop_timeout_seconds = 30
    execution_role_arn   = ""
    task_role_arn        = ""
    log_group_name       = ""
  }

  expect_failures = [var.name, var.region, var.image, var.container_port, var.health_check_path, var.migrate_command, var.cpu, var.memory, var.environment, var.secrets, var.stop_timeout_seconds, var.execution_role_arn, var.task_role_arn, var.log_group_name]
}
