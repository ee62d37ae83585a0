# What runs in the environment.

locals {
  database = one(module.database[*])

  container_environment = merge(
    {
      ENVIRONMENT     = module.settings.environment
      IMAGE_DIGEST    = module.settings.image_digest
      PORT            = tostring(local.project.port)
      REPLICAS        = tostring(module.settings.replica_count)
      TRUSTED_PROXIES = "1"
    },
    local.database == null ? {} : {
      DATABASE_HOST    = local.database.address
      DATABASE_PORT    = tostring(local.database.port)
      DATABASE_NAME    = local.database.database_name
      DATABASE_SSLMODE = "require"
      DATABASE_POOL    = tostring(module.settings.database_pool)
    },
  )

  container_secrets = merge(
    { SECRET_KEY = module.secrets.secret_key_arn },
    module.secrets.application_arns,
    module.secrets.previous_secret_key_arn == null ? {} : { SECRET_KEY_FALLBACKS = module.secrets.previous_secret_key_arn },
    local.database == null ? {} : {
      DATABASE_USER     = "${local.database.secret_arn}:username::"
      DATABASE_PASSWORD = "${local.database.secret_arn}:password::"
    },
  )
}

# ECS Exec's agent writes to these, and the rest of the root file system cannot be written
# (https://github.com/aws/containers-roadmap/issues/1359).
locals {
  agent_writable = local.aws.service.execute_command ? ["/managed-agents", "/var/lib/amazon/ssm", "/var/log/amazon/ssm"] : []
}

module "cluster" {
  source = "./modules/cluster"

  name               = local.name
  kms_key_arn        = module.encryption.key_arn
  log_retention_days = local.aws.log_retention_days
}

module "task_roles" {
  source = "./modules/task-roles"

  name                          = local.name
  account_id                    = local.aws.account_id
  region                        = local.aws.region
  repository_arn                = local.repository_arn
  secret_arns                   = concat(module.secrets.secret_arns, module.database[*].secret_arn)
  kms_key_arn                   = module.encryption.key_arn
  log_group_arn                 = module.cluster.log_group_arn
  execute_command               = local.aws.service.execute_command
  execute_command_log_group_arn = module.cluster.execute_command_log_group_arn
  permissions_boundary_arn      = local.permissions_boundary_arn
}

module "task" {
  source = "./modules/task"

  name               = local.name
  region             = local.aws.region
  image              = module.settings.image
  container_port     = local.project.port
  health_check_path  = local.project.probes.live
  migrate_command    = local.desired.database.engine == "none" ? [] : try(local.project.migrate, [])
  writable           = distinct(concat(["/tmp"], try(local.project.writable, ["/data"]), local.agent_writable))
  cpu                = local.aws.service.cpu
  memory             = local.aws.service.memory
  environment        = local.container_environment
  secrets            = local.container_secrets
  execution_role_arn = module.task_roles.execution_role_arn
  task_role_arn      = module.task_roles.task_role_arn
  log_group_name     = module.cluster.log_group_name
}

module "service" {
  source = "./modules/service"

  name                = local.name
  cluster_arn         = module.cluster.arn
  task_definition_arn = module.task.arn
  replica_count       = module.settings.replica_count
  autoscaling         = local.autoscaling
  subnet_ids          = module.network.task_subnet_ids
  vpc_id              = module.network.vpc_id
  assign_public_ip    = local.aws.network.egress == "public"
  target_group_arn    = module.load_balancer.target_group_arn
  container_name      = module.task.container_name
  container_port      = module.task.container_port
  execute_command     = local.aws.service.execute_command
  deployment_alarms   = { enabled = local.aws.deployment_alarms.enabled, names = module.deployment_alarms.alarm_names }
  prerequisites       = concat(module.traffic.rule_ids, flatten([for endpoints in module.endpoints : values(endpoints.endpoint_ids)]))
}

# Of the load balancer alone: the service names them, and is not named by them. They stay where ECS does not act on them,
# because Terraform can only tell a service to ignore its alarms, not that it has none.
module "deployment_alarms" {
  source = "./modules/deployment-alarms"

  name                     = local.name
  errors_percent           = local.aws.deployment_alarms.errors_percent
  latency_seconds          = local.aws.deployment_alarms.latency_seconds
  requests                 = local.aws.deployment_alarms.requests
  minutes                  = local.aws.deployment_alarms.minutes
  load_balancer_arn_suffix = module.load_balancer.arn_suffix
  target_group_arn_suffix  = module.load_balancer.target_group_arn_suffix
}

moved {
  from = module.deployment_alarms[0]
  to   = module.deployment_alarms
}
