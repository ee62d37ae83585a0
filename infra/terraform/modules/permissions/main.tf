# What GitHub's roles may do. Every action is named, no "*"; actions.yaml has them by purpose, because a list is read more
# easily than code. Where IAM can tell resources apart, only this application's are allowed.

data "aws_partition" "current" {}

locals {
  actions   = yamldecode(file("${path.module}/actions.yaml"))
  partition = data.aws_partition.current.partition

  # How each purpose is limited. {account} and {name} stand for the account and the application.
  resources = {
    for purpose, patterns in local.actions.resources : purpose => [
      for pattern in patterns : replace(replace(replace(replace(pattern,
      "{partition}", local.partition), "{account}", var.account_id), "{name}", var.name), "{region}", var.region)
    ]
  }

  # One managed policy holds 6,144 characters.
  policies = {
    for policy, purposes in local.actions.policies : policy => [
      for purpose in purposes : {
        sid       = replace(title(replace(purpose, "-", " ")), " ", "")
        actions   = local.actions.actions[purpose]
        resources = lookup(local.resources, purpose, ["*"])
        limits    = lookup(local.actions.conditions, purpose, [])
      }
    ]
  }

}

data "aws_iam_policy_document" "main" {
  for_each = local.policies

  dynamic "statement" {
    for_each = each.value

    content {
      sid       = statement.value.sid
      actions   = statement.value.actions
      resources = statement.value.resources

      dynamic "condition" {
        for_each = statement.value.limits

        content {
          test     = condition.value.test
          variable = condition.value.variable
          values = [
            for value in condition.value.values :
            replace(replace(value, "{boundary}", var.permissions_boundary_arn), "{region}", var.region)
          ]
        }
      }
    }
  }
}

resource "aws_iam_policy" "main" {
  for_each = local.policies

  name        = "${var.name}-${each.key}"
  path        = "/github/"
  description = "GitHub's workflows: ${each.key}"
  policy      = data.aws_iam_policy_document.main[each.key].minified_json
}
