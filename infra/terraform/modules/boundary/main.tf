# The most that any role of an environment may ever do. Whoever applies an environment creates roles; the boundary keeps
# them from creating one that is mightier than themselves.

data "aws_partition" "current" {}

data "aws_iam_policy_document" "main" {
  statement {
    sid = "Images"
    actions = [
      "ecr:BatchCheckLayerAvailability",
      "ecr:BatchGetImage",
      "ecr:GetDownloadUrlForLayer",
    ]
    # Images may lie in another account.
    resources = ["arn:${data.aws_partition.current.partition}:ecr:*:*:repository/${var.name}*"]
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
    resources = ["arn:${data.aws_partition.current.partition}:logs:*:${var.account_id}:*"]
  }

  statement {
    sid       = "Secrets"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = ["arn:${data.aws_partition.current.partition}:secretsmanager:*:${var.account_id}:secret:*"]
  }

  statement {
    sid       = "Keys"
    actions   = ["kms:Decrypt"]
    resources = ["arn:${data.aws_partition.current.partition}:kms:*:${var.account_id}:key/*"]
  }
}

resource "aws_iam_policy" "main" {
  name        = "${var.name}-boundary"
  description = "Upper limit of every role in an environment of ${var.name}"
  policy      = data.aws_iam_policy_document.main.json
}
