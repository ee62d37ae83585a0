# What keeps the environment running, watched and paid for.

module "autoscaling" {
  source = "./modules/autoscaling"
  count  = local.autoscaling ? 1 : 0

  name                     = local.name
  cluster_name             = module.cluster.name
  service_name             = module.service.name
  min_replicas             = module.settings.replica_count
  max_replicas             = local.aws.service.max_replicas
  cpu_percent              = local.aws.service.cpu_percent
  requests_per_target      = local.aws.service.requests_per_target
  load_balancer_arn_suffix = module.load_balancer.arn_suffix
  target_group_arn_suffix  = module.load_balancer.target_group_arn_suffix
}

module "firewall" {
  source = "./modules/firewall"
  count  = local.aws.load_balancer.waf ? 1 : 0

  name               = local.name
  kms_key_arn        = module.encryption.key_arn
  log_retention_days = local.aws.log_retention_days
}

module "alarms" {
  source = "./modules/alarms"
  count  = local.aws.alarms.enabled ? 1 : 0

  name                     = local.name
  account_id               = local.aws.account_id
  emails                   = local.aws.alarms.emails
  kms_key_arn              = module.encryption.key_arn
  cluster_name             = module.cluster.name
  service_name             = module.service.name
  load_balancer_arn_suffix = module.load_balancer.arn_suffix
  target_group_arn_suffix  = module.load_balancer.target_group_arn_suffix
  database = module.settings.postgresql ? {
    identifier      = module.database[0].identifier
    storage_gb      = local.aws.database.storage_gb
    max_connections = module.settings.max_connections
  } : null
}

module "budget" {
  source = "./modules/budget"
  count  = local.aws.budget_usd > 0 ? 1 : 0

  name        = local.name
  environment = module.settings.environment
  limit_usd   = local.aws.budget_usd
  topic_arns  = module.alarms[*].topic_arn
  emails      = local.aws.alarms.emails
}
