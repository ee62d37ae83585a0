# One environment: what environments/<name>.yaml says, and nothing that it does not say.

provider "aws" {
  region              = module.settings.aws.region
  allowed_account_ids = [module.settings.aws.account_id]

  # Every resource that can have tags gets these.
  default_tags {
    tags = module.settings.tags
  }
}

data "aws_partition" "current" {}

locals {
  project = yamldecode(file("${path.root}/../../project.yaml"))
  desired = yamldecode(file(var.environment_file))
  aws     = module.settings.aws
  name    = module.settings.name
  https   = local.aws.load_balancer.domain != null
  # Not by comparing it with replicaCount, whose change would then replace the service.
  autoscaling = local.aws.service.max_replicas != null

  # <account>.dkr.ecr.<region>.amazonaws.com/<path>
  registry       = split("/", module.settings.image_repository)[0]
  repository_arn = "arn:${data.aws_partition.current.partition}:ecr:${split(".", local.registry)[3]}:${split(".", local.registry)[0]}:repository/${trimprefix(module.settings.image_repository, "${local.registry}/")}"

  # Made by bootstrap: no role of an environment can exceed it.
  permissions_boundary_arn = "arn:${data.aws_partition.current.partition}:iam::${local.aws.account_id}:policy/${local.name}-boundary"
}

module "settings" {
  source = "./modules/settings"

  application   = local.project.name
  environment   = local.desired.name
  image         = local.desired.image
  replica_count = local.desired.replicaCount
  database      = local.desired.database
  aws           = local.desired.aws
  aws_keys = flatten([
    for key, value in local.desired.aws : can(keys(value)) && key != "tags" ?
    [for nested in keys(value) : "${key}.${nested}"] : [key]
  ])
}

module "encryption" {
  source = "./modules/encryption"

  name                 = local.name
  account_id           = local.aws.account_id
  region               = local.aws.region
  deletion_window_days = local.aws.disposable ? 7 : 30
}

module "network" {
  source = "./modules/network"

  name                     = local.name
  account_id               = local.aws.account_id
  region                   = local.aws.region
  cidr                     = local.aws.network.cidr
  zones                    = local.aws.network.zones
  egress                   = local.aws.network.egress
  nat_per_zone             = local.aws.network.nat_per_zone
  flow_log                 = local.aws.network.flow_logs
  log_retention_days       = local.aws.log_retention_days
  kms_key_arn              = module.encryption.key_arn
  permissions_boundary_arn = local.permissions_boundary_arn
}

module "traffic" {
  source = "./modules/traffic"

  name                   = local.name
  container_port         = local.project.port
  https                  = local.https
  database               = module.settings.postgresql
  allowed_cidrs          = local.aws.load_balancer.allowed_cidrs
  load_balancer_group_id = module.load_balancer.security_group_id
  task_group_id          = module.service.security_group_id
  database_group_id      = one(module.database[*].security_group_id)
}

module "endpoints" {
  source = "./modules/endpoints"
  count  = local.aws.network.egress == "endpoints" ? 1 : 0

  name                   = local.name
  region                 = local.aws.region
  vpc_id                 = module.network.vpc_id
  subnet_ids             = module.network.private_subnet_ids
  task_security_group_id = module.service.security_group_id
}

moved {
  from = module.endpoints[0].aws_vpc_endpoint.s3
  to   = module.network.aws_vpc_endpoint.s3[0]
}

module "certificate" {
  source = "./modules/certificate"
  count  = local.https && local.aws.load_balancer.certificate_arn == null ? 1 : 0

  domain         = local.aws.load_balancer.domain
  hosted_zone_id = local.aws.load_balancer.hosted_zone_id
}

module "log_bucket" {
  source = "./modules/log-bucket"
  count  = local.aws.load_balancer.access_logs ? 1 : 0

  name           = local.name
  account_id     = local.aws.account_id
  region         = local.aws.region
  retention_days = local.aws.log_retention_days
  force_destroy  = !local.aws.deletion_protection
}

module "load_balancer" {
  source = "./modules/load-balancer"

  name                = local.name
  vpc_id              = module.network.vpc_id
  subnet_ids          = module.network.public_subnet_ids
  health_check_path   = local.project.probes.ready
  https               = local.https
  certificate_arn     = try(coalesce(local.aws.load_balancer.certificate_arn, one(module.certificate[*].arn)), null)
  access_log_bucket   = one(module.log_bucket[*].name)
  deletion_protection = local.aws.deletion_protection
  firewall            = local.aws.load_balancer.waf
  web_acl_arn         = one(module.firewall[*].arn)
}

module "secrets" {
  source = "./modules/secrets"

  name                 = local.name
  kms_key_arn          = module.encryption.key_arn
  recovery_window_days = local.aws.disposable ? 0 : 30
  secret_key_version   = local.aws.secret_key_version
  application          = try(local.project.secrets, [])
}

module "database" {
  source = "./modules/database"
  count  = module.settings.postgresql ? 1 : 0

  name                     = local.name
  account_id               = local.aws.account_id
  database_name            = replace(local.project.name, "-", "_")
  subnet_ids               = module.network.private_subnet_ids
  vpc_id                   = module.network.vpc_id
  kms_key_arn              = module.encryption.key_arn
  engine_version           = local.aws.database.engine_version
  instance_class           = local.aws.database.instance_class
  storage_gb               = local.aws.database.storage_gb
  max_storage_gb           = local.aws.database.max_storage_gb
  multi_az                 = local.aws.database.multi_az
  backup_days              = module.settings.aws.database.backup_days
  deletion_protection      = local.aws.deletion_protection
  disposable               = local.aws.disposable
  log_retention_days       = local.aws.log_retention_days
  permissions_boundary_arn = local.permissions_boundary_arn
}

# With the domain's zone here, its name leads to the load balancer.
resource "aws_route53_record" "site" {
  for_each = local.aws.load_balancer.hosted_zone_id == null ? toset([]) : toset(["A"])

  zone_id = local.aws.load_balancer.hosted_zone_id
  name    = local.aws.load_balancer.domain
  type    = each.key

  alias {
    name                   = module.load_balancer.dns_name
    zone_id                = module.load_balancer.zone_id
    evaluate_target_health = true
  }
}
