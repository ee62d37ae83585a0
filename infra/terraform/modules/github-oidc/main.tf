# GitHub's workflows get short-lived credentials for one kind of role: plan reads, apply changes one environment, preview
# pushes images.
# A subject names this repository and a branch, a pull request or an environment; never all of a repository.

data "aws_partition" "current" {}

locals {
  issuer       = "token.actions.githubusercontent.com"
  provider_arn = "arn:${data.aws_partition.current.partition}:iam::${var.account_id}:oidc-provider/${local.issuer}"

  # Pull requests of this repository (a fork's get no token), the main branch, and the environments' own jobs.
  plan_subjects = concat(
    ["repo:${var.repository}:pull_request", "repo:${var.repository}:ref:refs/heads/${var.branch}"],
    [for environment in var.environments : "repo:${var.repository}:environment:${environment}"],
  )

  # The environment's protection rules on GitHub decide who gets this far.
  apply_subjects = { for environment in var.environments : environment => ["repo:${var.repository}:environment:${environment}"] }

  preview_subjects = { for name in ["preview"] : name => ["repo:${var.repository}:environment:preview"] if length(var.preview_policy_arns) > 0 }

  trusted = merge({ plan = local.plan_subjects }, local.preview_subjects, { for environment, subjects in local.apply_subjects : "apply-${environment}" => subjects })

  policies = merge(
    { for name, arn in var.read_policy_arns : "plan ${name}" => { role = "plan", arn = arn } },
    { for name, arn in var.preview_policy_arns : "preview ${name}" => { role = "preview", arn = arn } },
    merge([
      for environment in var.environments : {
        for name, arn in merge(var.read_policy_arns, var.write_policy_arns) :
        "apply-${environment} ${name}" => { role = "apply-${environment}", arn = arn }
      }
    ]...),
  )
}

resource "aws_iam_openid_connect_provider" "github" {
  url            = "https://${local.issuer}"
  client_id_list = ["sts.amazonaws.com"]
}

data "aws_iam_policy_document" "trust" {
  #checkov:skip=CKV_AWS_358:the subjects are in local.trusted, whole and without wildcards; checkov does not follow for_each
  for_each = local.trusted

  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "Federated"
      identifiers = [local.provider_arn]
    }

    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:aud"
      values   = ["sts.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:sub"
      values   = each.value
    }
  }
}

# Their own path: the policies of the apply roles end at roles of environments, so that they cannot change themselves.
resource "aws_iam_role" "github" {
  for_each = local.trusted

  name                 = "${var.name}-${each.key}"
  path                 = "/github/"
  description          = lookup({ plan = "Reads what a plan needs", preview = "Pushes images of previews" }, each.key, "Applies ${trimprefix(each.key, "apply-")}")
  assume_role_policy   = data.aws_iam_policy_document.trust[each.key].json
  max_session_duration = 3600

  depends_on = [aws_iam_openid_connect_provider.github]
}

resource "aws_iam_role_policy_attachment" "github" {
  for_each = local.policies

  role       = aws_iam_role.github[each.value.role].name
  policy_arn = each.value.arn
}
