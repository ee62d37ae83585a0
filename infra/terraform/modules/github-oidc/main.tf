# GitHub's workflows get short-lived credentials for one kind of role: plan reads, apply changes one environment, preview
# pushes images.
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

  # Pull requests of this repository (a fork's get no token), the main branch, and the environments' own jobs.
  plan_contexts = concat(["pull_request", "ref:refs/heads/${var.branch}"], [for environment in var.environments : "environment:${environment}"])

  # The environment's protection rules on GitHub decide who gets this far.
  apply_contexts = { for environment in var.environments : "apply-${environment}" => ["environment:${environment}"] }

  preview_contexts = { for name in ["preview"] : name => ["environment:preview"] if length(var.preview_policy_arns) > 0 }

  trusted = {
    for role, contexts in merge({ plan = local.plan_contexts }, local.preview_contexts, local.apply_contexts) :
    role => [for pair in setproduct(local.repositories, contexts) : "repo:${pair[0]}:${pair[1]}"]
  }

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

    # A name can be given to another repository, its id cannot.
    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:repository_id"
      values   = [var.repository_id]
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
