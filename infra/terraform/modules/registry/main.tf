# Image registry: a tag never changes its image, every push is scanned, old images go unless an environment runs them.

resource "aws_ecr_repository" "main" {
  name                 = var.name
  image_tag_mutability = "IMMUTABLE"
  force_delete         = var.force_delete

  image_scanning_configuration {
    scan_on_push = true
  }

  encryption_configuration {
    encryption_type = "KMS"
    kms_key         = var.kms_key_arn
  }
}

resource "aws_ecr_lifecycle_policy" "main" {
  repository = aws_ecr_repository.main.name

  policy = jsonencode({
    rules = [
      {
        # An image that a rule's tags match is spared by all later ones. One rule for all environments: with one for each,
        # the first could end what the second runs. The pipeline sets the tags (pipeline/aws/registry.py).
        rulePriority = 1
        description  = "What was deployed: the newest ${var.keep_deployed}"
        selection    = { tagStatus = "tagged", tagPatternList = ["deployed-*"], countType = "imageCountMoreThan", countNumber = var.keep_deployed }
        action       = { type = "expire" }
      },
      {
        # Of tagged images alone: what is attested of an image has no tag, and must be there as long as the image is.
        rulePriority = 2
        description  = "What was pushed and never deployed, beyond the newest ${var.keep_images}"
        selection    = { tagStatus = "tagged", tagPatternList = ["*"], countType = "imageCountMoreThan", countNumber = var.keep_images }
        action       = { type = "expire" }
      },
    ]
  })
}

data "aws_partition" "current" {}

data "aws_iam_policy_document" "pull" {
  count = length(var.pull_account_ids) > 0 ? 1 : 0

  statement {
    sid = "OtherAccountsPull"
    actions = [
      "ecr:BatchCheckLayerAvailability",
      "ecr:BatchGetImage",
      "ecr:GetDownloadUrlForLayer",
      "ecr:PutImage", # a further tag: layers they cannot push
    ]

    principals {
      type        = "AWS"
      identifiers = [for id in var.pull_account_ids : "arn:${data.aws_partition.current.partition}:iam::${id}:root"]
    }
  }
}

resource "aws_ecr_repository_policy" "pull" {
  count = length(var.pull_account_ids) > 0 ? 1 : 0

  repository = aws_ecr_repository.main.name
  policy     = data.aws_iam_policy_document.pull[0].json
}
