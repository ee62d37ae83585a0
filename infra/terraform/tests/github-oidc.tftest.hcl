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
  name          = "shop"
  account_id    = "123456789012"
  repository    = "octo/shop"
  owner_id      = "11"
  repository_id = "22"
  environments = {
    production = { plan = { plan = "arn:aws:iam::123456789012:policy/1" }, read = { read = "arn:aws:iam::123456789012:policy/2" }, apply = { read = "arn:aws:iam::123456789012:policy/2", write = "arn:aws:iam::123456789012:policy/3" } }
    staging    = { plan = { plan = "arn:aws:iam::123456789012:policy/4" }, read = { read = "arn:aws:iam::123456789012:policy/5" }, apply = { read = "arn:aws:iam::123456789012:policy/5", write = "arn:aws:iam::123456789012:policy/6" } }
  }
}

run "subjects_are_named" {
  command = plan

  module {
    source = "./modules/github-oidc"
  }

  assert {
    condition     = toset(keys(aws_iam_role.github)) == toset([for pair in setproduct(["plan", "read", "apply"], ["production", "staging"]) : join("-", pair)])
    error_message = "Each environment has roles of its own to plan, to read and to apply."
  }

  assert {
    condition     = jsondecode(aws_iam_role.github["apply-production"].assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:sub"] == ["repo:octo@11/shop@22:environment:production", "repo:octo/shop:environment:production"]
    error_message = "Only the environment itself is applied."
  }

  assert {
    condition     = jsondecode(aws_iam_role.github["plan-production"].assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:sub"] == ["repo:octo@11/shop@22:pull_request", "repo:octo/shop:pull_request"]
    error_message = "A pull request gets the role that changes nothing."
  }

  assert {
    condition     = toset(jsondecode(aws_iam_role.github["read-staging"].assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:sub"]) == toset([for pair in setproduct(["repo:octo@11/shop@22", "repo:octo/shop"], ["ref:refs/heads/main", "environment:staging"]) : join(":", pair)])
    error_message = "What was merged is compared with what runs, and nothing else is."
  }

  assert {
    condition     = alltrue([for role in aws_iam_role.github : jsondecode(role.assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:repository_id"] == "22"])
    error_message = "A repository that was given this name later is another one."
  }

  assert {
    condition = { for key, role in aws_iam_role.github : key => try(jsondecode(role.assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:ref"], "") } == {
      plan-production  = "", plan-staging = "", read-production = "refs/heads/main", read-staging = "refs/heads/main",
      apply-production = "refs/heads/main", apply-staging = "refs/heads/main"
    }
    error_message = "An environment that GitHub made for a branch changes nothing."
  }

  assert {
    condition     = alltrue([for role in aws_iam_role.github : !strcontains(role.assume_role_policy, "*") && role.path == "/github/" && jsondecode(role.assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:aud"] == "sts.amazonaws.com"])
    error_message = "No wildcard in any trust, the audience is AWS."
  }

  assert {
    condition     = toset(keys(aws_iam_role_policy_attachment.github)) == toset(flatten([for environment in ["production", "staging"] : ["plan-${environment} plan", "read-${environment} read", "apply-${environment} read", "apply-${environment} write"]])) && aws_iam_role_policy_attachment.github["apply-staging write"].policy_arn == "arn:aws:iam::123456789012:policy/6"
    error_message = "Each role gets its own environment's rights."
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
    environments = { live = var.environments.staging }
  }

  assert {
    condition     = jsondecode(aws_iam_role.github["apply-live"].assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:ref"] == "refs/heads/trunk" && contains(jsondecode(aws_iam_role.github["read-live"].assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:sub"], "repo:octo/shop:ref:refs/heads/trunk") && toset(keys(aws_iam_role.github)) == toset(["plan-live", "read-live", "apply-live"])
    error_message = "Both settings must arrive."
  }
}

# Refused here: a name with capitals, an account that is none, a repository with a wildcard, ids that are none, a branch with a wildcard, no environment, a policy that is none.
run "refuses_nonsense" {
  command = plan

  module {
    source = "./modules/github-oidc"
  }

  variables {
    name          = "Shop"
    account_id    = "1"
    repository    = "octo/*"
    owner_id      = "octo"
    repository_id = "*"
    branch        = "*"
    environments  = {}

    preview_policy_arns = { images = "policy/i" }
  }

  expect_failures = [var.name, var.account_id, var.repository, var.owner_id, var.repository_id, var.branch, var.environments, var.preview_policy_arns]
}

run "refuses_an_environment_named_preview" {
  command = plan

  module {
    source = "./modules/github-oidc"
  }

  variables {
    environments = { preview = { plan = { plan = "arn:aws:iam::123456789012:policy/1" }, read = { read = "arn:aws:iam::123456789012:policy/2" }, apply = { write = "arn:aws:iam::123456789012:policy/3" } } }
  }

  expect_failures = [var.environments]
}

run "refuses_no_right_to_write" {
  command = plan

  module {
    source = "./modules/github-oidc"
  }

  variables {
    environments = { staging = { plan = { plan = "arn:aws:iam::123456789012:policy/1" }, read = { read = "arn:aws:iam::123456789012:policy/2" }, apply = {} } }
  }

  expect_failures = [var.environments]
}

run "a_provider_of_somebody_else_is_left_alone" {
  command = plan

  module {
    source = "./modules/github-oidc"
  }

  variables {
    create_provider = false
  }

  assert {
    condition     = length(aws_iam_openid_connect_provider.github) == 0 && jsondecode(aws_iam_role.github["read-staging"].assume_role_policy).Statement[0].Principal.Federated == "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
    error_message = "The account's provider is used, and nobody's to destroy."
  }
}
