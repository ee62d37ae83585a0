# GitHub's workflows get short-lived credentials for one environment: plan is for a pull request, read for what the main branch
# compares, apply for what changes it; preview pushes images.
# A subject names this repository and a branch, a pull request or an environment; never all of a repository. GitHub puts the
# ids into the subjects of repositories created, renamed or transferred since 15 July 2026; both forms are trusted, each for
# this repository's id alone.

data "aws_partition" "current" {}

locals {
  issuer       = "token.actions.githubusercontent.com"
  provider_arn = "arn:${data.aws_partition.current.partition}:iam::${var.account_id}:oidc-provider/${local.issuer}"

  owner        = split("/", var.repository)[0]
  name         = split("/", var.repository)[1]
  repositories = ["${local.owner}@${var.owner_id}/${local.name}@${var.repository_id}", var.repository]

  # A fork's pull request gets no token. The environment's protection rules on GitHub decide who gets as far as an apply; one
  # that is missing GitHub makes without rules, for any branch that names it, so the branch counts as well.
  contexts = {
    plan  = ["pull_request"]
    read  = ["ref:refs/heads/${var.branch}", "environment:%s"]
    apply = ["environment:%s"]
  }

  environments = merge([
    for environment, kinds in var.environments : {
      for kind, arns in kinds : "${kind}-${environment}" => {
        contexts = [for context in local.contexts[kind] : replace(context, "%s", environment)]
        branches = kind == "plan" ? [] : [var.branch]
        arns     = arns
      }
    }
  ]...)

  previews = length(var.preview_policy_arns) == 0 ? {} : {
    preview = { contexts = ["environment:preview"], branches = [], arns = var.preview_policy_arns }
  }

  roles = merge(local.environments, local.previews)

  trusted = {
    for role, allowed in local.roles :
    role => [for pair in setproduct(local.repositories, allowed.contexts) : "repo:${pair[0]}:${pair[1]}"]
  }

  policies = merge([
    for role, allowed in local.roles : { for name, arn in allowed.arns : "${role} ${name}" => { role = role, arn = arn } }
  ]...)
}

resource "aws_iam_openid_connect_provider" "github" {
  count = var.create_provider ? 1 : 0

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

    # A name can be given to another repository, its id cannot.
    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:repository_id"
      values   = [var.repository_id]
    }

    dynamic "condition" {
      for_each = local.roles[each.key].branches

      content {
        test     = "StringEquals"
        variable = "${local.issuer}:ref"
        values   = ["refs/heads/${condition.value}"]
      }
    }
  }
}

# Their own path: the policies of the apply roles end at roles of environments, so that they cannot change themselves.
resource "aws_iam_role" "github" {
  for_each = local.trusted

  name                 = "${var.name}-${each.key}"
  path                 = "/github/"
  description          = "GitHub's workflows: ${each.key}"
  assume_role_policy   = data.aws_iam_policy_document.trust[each.key].json
  max_session_duration = 3600

  depends_on = [aws_iam_openid_connect_provider.github]
}

resource "aws_iam_role_policy_attachment" "github" {
  for_each = local.policies

  role       = aws_iam_role.github[each.value.role].name
  policy_arn = each.value.arn
}
