# GitHub's workflows get short-lived credentials for one of two kinds of role: plan reads, apply changes one environment.
# A subject names this repository and a branch, a pull request or an environment; never all of a repository.

data "aws_partition" "current" {}

locals {
  issuer       = "token.actions.githubusercontent.com"
  provider_arn = "arn:${data.aws_partition.current.partition}:iam::${var.account_id}:oidc-provider/${local.issuer}"
  owner        = split("/", var.repository)[0]
  project      = split("/", var.repository)[1]

  trust = merge(
    { plan = data.aws_iam_policy_document.plan.json },
    { for environment, document in data.aws_iam_policy_document.apply : "apply-${environment}" => document.json },
  )

  policies = merge(
    { for name, arn in var.read_policy_arns : "plan ${name}" => { role = "plan", arn = arn } },
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

# Pull requests of this repository (a fork's get no token), the main branch, and the environments' own jobs.
data "aws_iam_policy_document" "plan" {
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
      values   = ["repo:${local.owner}/${local.project}:pull_request", "repo:${local.owner}/${local.project}:ref:refs/heads/${var.branch}"]
    }
  }

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
      values   = [for environment in var.environments : "repo:${local.owner}/${local.project}:environment:${environment}"]
    }
  }
}

# The environment's protection rules on GitHub decide who gets this far.
data "aws_iam_policy_document" "apply" {
  for_each = var.environments

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
      values   = ["repo:${local.owner}/${local.project}:environment:${each.key}"]
    }
  }
}

# Their own path: the policies of the apply roles end at roles of environments, so that they cannot change themselves.
resource "aws_iam_role" "github" {
  for_each = local.trust

  name                 = "${var.name}-${each.key}"
  path                 = "/github/"
  description          = each.key == "plan" ? "Reads what a plan needs" : "Applies ${trimprefix(each.key, "apply-")}"
  assume_role_policy   = each.value
  max_session_duration = 3600

  depends_on = [aws_iam_openid_connect_provider.github]
}

resource "aws_iam_role_policy_attachment" "github" {
  for_each = local.policies

  role       = aws_iam_role.github[each.value.role].name
  policy_arn = each.value.arn
}
