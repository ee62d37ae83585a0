# The real provider plans without asking AWS anything: policies are rendered as they will be.
provider "aws" {
  region                      = "us-east-1"
  access_key                  = "none"
  secret_key                  = "none"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_region_validation      = true
  skip_requesting_account_id  = true
}

variables {
  name         = "shop-staging"
  application  = "shop"
  environment  = "staging"
  roles        = ["plan", "read", "apply", "preview"]
  account_id   = "123456789012"
  region       = "us-east-1"
  state_bucket = "shop-state-123456789012-us-east-1"
}

run "every_action_is_named" {
  command = plan

  module {
    source = "./modules/permissions"
  }

  assert {
    condition     = alltrue(flatten([for policy in aws_iam_policy.main : [for statement in jsondecode(policy.policy).Statement : [for action in flatten([statement.Action]) : !strcontains(action, "*")]]]))
    error_message = "No action by wildcard."
  }

  assert {
    condition     = alltrue([for policy in aws_iam_policy.main : length(policy.policy) <= 6144])
    error_message = "IAM takes policies of 6,144 characters."
  }

  assert {
    condition     = alltrue(flatten([for statement in concat([for name in ["plan", "read", "state-read"] : jsondecode(aws_iam_policy.main[name].policy).Statement]...) : [for action in flatten([statement.Action]) : can(regex(":(Describe|(Batch)?Get|List|View|Decrypt)", action))]]))
    error_message = "Nothing but an apply writes."
  }

  assert {
    condition     = alltrue(flatten([for statement in jsondecode(aws_iam_policy.main["roles-write"].policy).Statement : [for action in flatten([statement.Action]) : try(statement.Condition.StringEquals["iam:PermissionsBoundary"], "") == "arn:aws:iam::123456789012:policy/shop-staging-boundary" if contains(["iam:CreateRole", "iam:PutRolePolicy", "iam:AttachRolePolicy"], action)]]))
    error_message = "Roles are made and given rights only under the boundary."
  }

  assert {
    condition     = alltrue(flatten([for statement in jsondecode(aws_iam_policy.main["roles-write"].policy).Statement : [for resource in flatten([statement.Resource]) : !strcontains(resource, "role/github/")]]))
    error_message = "GitHub's roles cannot change themselves."
  }

  assert {
    condition     = alltrue(flatten([for statement in jsondecode(aws_iam_policy.main["roles-write"].policy).Statement : [for action in flatten([statement.Action]) : can(statement.Condition.StringEquals["iam:PassedToService"]) if action == "iam:PassRole"]]))
    error_message = "Roles are passed to three services only."
  }
}

run "plans_of_pull_requests_see_one_state_and_no_value" {
  command = plan

  module {
    source = "./modules/permissions"
  }

  assert {
    condition     = toset(flatten([for statement in jsondecode(aws_iam_policy.main["plan"].policy).Statement : statement.Action])) == toset(["s3:ListBucket", "s3:GetObject", "kms:Decrypt", "secretsmanager:GetRandomPassword", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:GetAuthorizationToken", "kms:GetPublicKey"])
    error_message = "A pull request's plan asks for the state, and for what is attested of an image, alone."
  }

  assert {
    condition     = [for statement in jsondecode(aws_iam_policy.main["plan"].policy).Statement : flatten([statement.Resource]) if contains(flatten([statement.Action]), "s3:GetObject")] == [["arn:aws:s3:::shop-state-123456789012-us-east-1/staging/*"]]
    error_message = "Another environment's state is not read."
  }
}

# Refused here: names with capitals, a role that is none, an account that is none, a region that is none.
run "refuses_nonsense" {
  command = plan

  module {
    source = "./modules/permissions"
  }

  variables {
    name        = "Shop"
    application = "Shop"
    environment = "Staging"
    roles       = ["admin"]
    account_id  = "1"
    region      = "virginia"

    state_bucket   = "*"
    domain         = "*.example.org"
    hosted_zone_id = "*"
  }

  expect_failures = [var.name, var.application, var.environment, var.roles, var.account_id, var.region, var.state_bucket, var.domain, var.hosted_zone_id]
}
