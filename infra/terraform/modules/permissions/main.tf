# What GitHub's roles may do in one environment. Every action is named, no "*"; actions.yaml has them by purpose, because a list
# is read more easily than code. Where IAM can tell resources apart, only this environment's are allowed: by name, else by tag.

data "aws_partition" "current" {}

locals {
  table = yamldecode(templatefile("${path.module}/actions.yaml", {
    partition    = data.aws_partition.current.partition
    account      = var.account_id
    region       = var.region
    application  = var.application
    environment  = var.environment
    name         = var.name
    state_bucket = var.state_bucket
    domain       = coalesce(var.domain, "none")
    zone         = coalesce(var.hosted_zone_id, "none")
  }))

  policies = {
    for policy in distinct(flatten([for role in var.roles : local.table.roles[role]])) : policy => {
      Version = "2012-10-17"
      Statement = [
        for purpose in local.table.policies[policy] : merge(
          {
            Sid      = replace(title(replace(purpose, "-", " ")), " ", "")
            Effect   = "Allow"
            Action   = local.table.actions[purpose]
            Resource = try(local.table.resources[purpose], "*")
          },
          [for condition in [try(local.table.conditions[purpose], null)] : { Condition = condition } if condition != null]...
        )
      ]
    }
  }
}

resource "aws_iam_policy" "main" {
  for_each = local.policies

  name        = "${var.name}-${each.key}"
  path        = "/github/"
  description = "GitHub's workflows: ${each.key}"
  policy      = jsonencode(each.value)
}
