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
  name              = "shop"
  account_id        = "123456789012"
  repository        = "octo/shop"
  owner_id          = "11"
  repository_id     = "22"
  read_policy_arns  = { read = "arn:aws:iam::123456789012:policy/r" }
  write_policy_arns = { write = "arn:aws:iam::123456789012:policy/w" }
}

run "subjects_are_named" {
  command = plan

  module {
    source = "./modules/github-oidc"
  }

  assert {
    condition     = toset(keys(aws_iam_role.github)) == toset(["plan", "apply-production", "apply-staging"])
    error_message = "One role to plan, one to apply each environment."
  }

  assert {
    condition     = jsondecode(aws_iam_role.github["apply-production"].assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:sub"] == ["repo:octo@11/shop@22:environment:production", "repo:octo/shop:environment:production"]
    error_message = "Only the environment itself is applied."
  }

  assert {
    condition     = toset(jsondecode(aws_iam_role.github["plan"].assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:sub"]) == toset([for pair in setproduct(["repo:octo@11/shop@22", "repo:octo/shop"], ["pull_request", "ref:refs/heads/main", "environment:production", "environment:staging"]) : join(":", pair)])
    error_message = "Plans come from these places only."
  }

  assert {
    condition     = alltrue([for role in aws_iam_role.github : jsondecode(role.assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:repository_id"] == "22"])
    error_message = "A repository that was given this name later is another one."
  }

  assert {
    condition     = alltrue([for role in aws_iam_role.github : !strcontains(role.assume_role_policy, "*") && role.path == "/github/" && jsondecode(role.assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:aud"] == "sts.amazonaws.com"])
    error_message = "No wildcard in any trust, the audience is AWS."
  }

  assert {
    condition     = toset(keys(aws_iam_role_policy_attachment.github)) == toset(["plan read", "apply-production read", "apply-production write", "apply-staging read", "apply-staging write"])
    error_message = "Plans get no right to write."
  }
}

run "previews_push_images_and_nothing_else" {
  command = plan

  module {
    source = "./modules/github-oidc"
  }

  variables {
    preview_policy_arns = { images = "arn:aws:iam::123456789012:policy/i" }
  }

  assert {
    condition     = jsondecode(aws_iam_role.github["preview"].assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:sub"] == ["repo:octo@11/shop@22:environment:preview", "repo:octo/shop:environment:preview"]
    error_message = "Only the environment of previews gets it."
  }

  assert {
    condition     = [for key, attachment in aws_iam_role_policy_attachment.github : key if startswith(key, "preview ")] == ["preview images"]
    error_message = "A preview's role only pushes images."
  }
}

run "another_branch_and_one_environment" {
  command = plan

  module {
    source = "./modules/github-oidc"
  }

  variables {
    branch       = "trunk"
    environments = ["live"]
  }

  assert {
    condition     = contains(jsondecode(aws_iam_role.github["plan"].assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:sub"], "repo:octo/shop:ref:refs/heads/trunk") && toset(keys(aws_iam_role.github)) == toset(["plan", "apply-live"])
    error_message = "Both settings must arrive."
  }
}

# Refused here: a name with capitals, an account that is none, a repository with a wildcard, ids that are none, a branch with a wildcard, no environment, no right to read, a policy that is none.
run "refuses_nonsense" {
  command = plan

  module {
    source = "./modules/github-oidc"
  }

  variables {
    name             = "Shop"
    account_id       = "1"
    repository       = "octo/*"
    owner_id         = "octo"
    repository_id    = "*"
    branch           = "*"
    environments     = []
    read_policy_arns = {}

    preview_policy_arns = { images = "policy/i" }
  }

  expect_failures = [var.name, var.account_id, var.repository, var.owner_id, var.repository_id, var.branch, var.environments, var.read_policy_arns, var.preview_policy_arns]
}

run "refuses_an_environment_named_preview" {
  command = plan

  module {
    source = "./modules/github-oidc"
  }

  variables {
    environments = ["preview"]
  }

  expect_failures = [var.environments]
}

run "refuses_no_right_to_write" {
  command = plan

  module {
    source = "./modules/github-oidc"
  }

  variables {
    write_policy_arns = {}
  }

  expect_failures = [var.write_policy_arns]
}
