# The most that any role of an environment may ever do. Whoever applies an environment creates roles; the boundary keeps
# them from creating one that is mightier than themselves, or that reads another environment's secrets.

data "aws_partition" "current" {}

locals {
  partition = data.aws_partition.current.partition
}

data "aws_iam_policy_document" "main" {
  statement {
    sid = "Images"
    actions = [
      "ecr:BatchCheckLayerAvailability",
      "ecr:BatchGetImage",
      "ecr:GetDownloadUrlForLayer",
    ]
    # Images may lie in another account.
    resources = ["arn:${local.partition}:ecr:*:*:repository/${var.application}*"]
  }

  # IAM knows no resources for these.
  statement {
    sid = "LoginAndSessions"
    actions = [
      "ecr:GetAuthorizationToken",
      "logs:DescribeLogGroups",
      "ssmmessages:CreateControlChannel",
      "ssmmessages:CreateDataChannel",
      "ssmmessages:OpenControlChannel",
      "ssmmessages:OpenDataChannel",
    ]
    resources = ["*"]
  }

  statement {
    sid = "Logs"
    actions = [
      "logs:CreateLogGroup",
      "logs:CreateLogStream",
      "logs:DescribeLogStreams",
      "logs:GetLogEvents",
      "logs:PutLogEvents",
      "logs:PutRetentionPolicy",
    ]
    resources = flatten([
      for group in ["/ecs/${var.name}", "/ecs/${var.name}/*", "/vpc/${var.name}/*", "RDSOSMetrics"] : [
        "arn:${local.partition}:logs:*:${var.account_id}:log-group:${group}",
        "arn:${local.partition}:logs:*:${var.account_id}:log-group:${group}:*",
      ]
    ])
  }

  statement {
    sid       = "Secrets"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = ["arn:${local.partition}:secretsmanager:*:${var.account_id}:secret:${var.name}/*"]
  }

  # RDS names its secrets by itself, and tags each with its instance.
  statement {
    sid       = "DatabaseSecret"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = ["arn:${local.partition}:secretsmanager:*:${var.account_id}:secret:rds!*"]

    condition {
      test     = "ArnLike"
      variable = "aws:ResourceTag/aws:rds:primaryDBInstanceArn"
      values   = ["arn:${local.partition}:rds:*:${var.account_id}:db:${var.name}"]
    }
  }

  statement {
    sid       = "Keys"
    actions   = ["kms:Decrypt"]
    resources = ["arn:${local.partition}:kms:*:${var.account_id}:key/*"]

    condition {
      test     = "StringEquals"
      variable = "aws:ResourceTag/Application"
      values   = [var.application]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:ResourceTag/Environment"
      values   = [var.environment]
    }
  }
}

resource "aws_iam_policy" "main" {
  name        = "${var.name}-boundary"
  description = "Upper limit of every role of ${var.name}"
  policy      = data.aws_iam_policy_document.main.json
}
