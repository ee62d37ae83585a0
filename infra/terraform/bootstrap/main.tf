# Once for each account: what must exist before an environment can.

provider "aws" {
  region              = var.region
  allowed_account_ids = [var.account_id]

  default_tags {
    tags = {
      Application = local.name
      ManagedBy   = "terraform"
      Environment = "bootstrap" # no environment's: its role writes to what bears its tag
    }
  }
}

locals {
  project      = yamldecode(file("${path.root}/../../../project.yaml"))
  name         = local.project.name
  state_bucket = "${local.name}-state-${var.account_id}-${var.region}"

  # Without a GitHub repository nobody gets a role.
  roles = var.github_repository == null ? {} : merge(
    { for environment in var.github_environments : environment => merge(var.environments[environment], { roles = ["plan", "read", "apply"] }) },
    { preview = { name = local.name, domain = null, hosted_zone_id = null, roles = ["preview"] } },
  )
}

# This root keeps its state in the bucket that it manages. The bucket is therefore made empty by one API call before the
# first init (docs/terraform.md) and adopted here; versioning, encryption and policy follow in the same apply.
import {
  to = module.state_bucket.aws_s3_bucket.main
  id = local.state_bucket
}

module "encryption" {
  source = "../modules/encryption"

  name                 = "${local.name}-bootstrap"
  account_id           = var.account_id
  region               = var.region
  deletion_window_days = var.disposable ? 7 : 30
}

module "log_bucket" {
  source = "../modules/log-bucket"

  name          = "${local.name}-tf"
  account_id    = var.account_id
  region        = var.region
  writer        = "logging.s3.amazonaws.com"
  force_destroy = var.disposable
}

module "state_bucket" {
  source = "../modules/state-bucket"

  name          = local.state_bucket
  kms_key_arn   = module.encryption.key_arn
  log_bucket    = module.log_bucket.name
  log_prefix    = module.log_bucket.prefix
  force_destroy = var.disposable
}

module "registry" {
  source = "../modules/registry"

  name             = local.name
  kms_key_arn      = module.encryption.key_arn
  pull_account_ids = var.pull_account_ids
  force_delete     = var.disposable
}

# The local AWS signs by its own KMS, whatever project.yaml chooses.
module "signing_key" {
  source = "../modules/signing-key"
  count  = var.disposable || try(local.project.signing.by, "kms") == "kms" ? 1 : 0

  name                 = local.name
  account_id           = var.account_id
  reader_account_ids   = var.pull_account_ids
  deletion_window_days = var.disposable ? 7 : 30
}

# It was made whoever signed.
moved {
  from = module.signing_key
  to   = module.signing_key[0]
}

# What pull requests push is kept apart from what is released.
module "preview_registry" {
  source = "../modules/registry"

  name             = "${local.name}-preview"
  kms_key_arn      = module.encryption.key_arn
  keep_images      = 50
  pull_account_ids = var.pull_account_ids
  force_delete     = true
}

# It was made only together with the roles of a GitHub repository.
moved {
  from = module.preview_registry[0]
  to   = module.preview_registry
}

module "boundary" {
  source   = "../modules/boundary"
  for_each = var.environments

  name        = each.value.name
  application = local.name
  environment = each.key
  account_id  = var.account_id
}

module "permissions" {
  source   = "../modules/permissions"
  for_each = local.roles

  name           = each.value.name
  application    = local.name
  environment    = each.key
  roles          = each.value.roles
  account_id     = var.account_id
  region         = var.region
  state_bucket   = local.state_bucket
  domain         = each.value.domain
  hosted_zone_id = each.value.hosted_zone_id
}

module "github_oidc" {
  source = "../modules/github-oidc"
  count  = var.github_repository == null ? 0 : 1

  name                = local.name
  account_id          = var.account_id
  repository          = var.github_repository
  owner_id            = var.github_owner_id
  repository_id       = var.github_repository_id
  create_provider     = var.create_oidc_provider
  environments        = { for environment in var.github_environments : environment => module.permissions[environment].policy_arns }
  preview_policy_arns = module.permissions["preview"].policy_arns["preview"]
}
