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
  name                     = "shop"
  account_id               = "123456789012"
  region                   = "us-east-1"
  permissions_boundary_arn = "arn:aws:iam::123456789012:policy/shop-boundary"
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
    condition     = alltrue(flatten([for statement in jsondecode(aws_iam_policy.main["read"].policy).Statement : [for action in flatten([statement.Action]) : can(regex(":(Describe|Get|List|View|Decrypt)", action))]]))
    error_message = "A plan only reads."
  }

  assert {
    condition     = alltrue(flatten([for statement in jsondecode(aws_iam_policy.main["roles-write"].policy).Statement : [for action in flatten([statement.Action]) : try(statement.Condition.StringEquals["iam:PermissionsBoundary"], "") == "arn:aws:iam::123456789012:policy/shop-boundary" if contains(["iam:CreateRole", "iam:PutRolePolicy", "iam:AttachRolePolicy"], action)]]))
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

# Refused here: a name with capitals, an account that is none, a region that is none, a boundary that is no arn.
run "refuses_nonsense" {
  command = plan

  module {
    source = "./modules/permissions"
  }

  variables {
    name                     = "Shop"
    account_id               = "1"
    region                   = "virginia"
    permissions_boundary_arn = "boundary"
  }

  expect_failures = [var.name, var.account_id, var.region, var.permissions_boundary_arn]
}
