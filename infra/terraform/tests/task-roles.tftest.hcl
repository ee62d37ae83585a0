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
  name           = "shop"
  account_id     = "123456789012"
  region         = "us-east-1"
  repository_arn = "arn:aws:ecr:us-east-1:123456789012:repository/shop"
  secret_arns    = ["arn:aws:secretsmanager:us-east-1:123456789012:secret:a"]
  kms_key_arn    = "arn:aws:kms:us-east-1:123456789012:key/1"
  log_group_arn  = "arn:aws:logs:us-east-1:123456789012:log-group:/ecs/shop"
}

run "just_enough_to_start" {
  command = plan

  module {
    source = "./modules/task-roles"
  }

  assert {
    condition     = alltrue([for statement in jsondecode(aws_iam_role_policy.execution.policy).Statement : statement.Resource != "*" || statement.Sid == "RegistryLogin"])
    error_message = "Only the login to ECR may be for everything."
  }

  assert {
    condition     = alltrue(flatten([for statement in jsondecode(aws_iam_role_policy.execution.policy).Statement : [for action in flatten([statement.Action]) : !strcontains(action, "*")]]))
    error_message = "No action by wildcard."
  }

  assert {
    condition     = length(aws_iam_role_policy.execute_command) == 0
    error_message = "The application may do nothing in AWS."
  }

  assert {
    condition     = jsondecode(aws_iam_role.task.assume_role_policy).Statement[0].Principal.Service == "ecs-tasks.amazonaws.com" && can(jsondecode(aws_iam_role.task.assume_role_policy).Statement[0].Condition)
    error_message = "Only tasks of this account may take on the role."
  }
}

run "a_shell_that_is_recorded" {
  command = plan

  module {
    source = "./modules/task-roles"
  }

  variables {
    execute_command               = true
    execute_command_log_group_arn = "arn:aws:logs:us-east-1:123456789012:log-group:/x"
    permissions_boundary_arn      = "arn:aws:iam::123456789012:policy/shop-boundary"
  }

  assert {
    condition     = length(aws_iam_role_policy.execute_command) == 1
    error_message = "A shell needs the session's rights."
  }

  assert {
    condition     = [for statement in jsondecode(aws_iam_role_policy.execute_command[0].policy).Statement : statement.Resource if contains(flatten([statement.Action]), "logs:DescribeLogGroups")] == ["*"]
    error_message = "ECS Exec looks for its log group; IAM limits that action to no resource."
  }

  assert {
    condition     = aws_iam_role.task.permissions_boundary == "arn:aws:iam::123456789012:policy/shop-boundary" && aws_iam_role.execution.permissions_boundary == "arn:aws:iam::123456789012:policy/shop-boundary"
    error_message = "Both roles must have the boundary."
  }
}

# Refused here: a name with capitals, an account that is none, a region that is none, a key that is no arn, a boundary that is no arn, a repository that is no arn, no secret, no log, a log that is no arn.
run "refuses_nonsense" {
  command = plan

  module {
    source = "./modules/task-roles"
  }

  variables {
    name                          = "Shop"
    account_id                    = "1"
    region                        = "virginia"
    kms_key_arn                   = "key"
    permissions_boundary_arn      = "boundary"
    repository_arn                = "repository"
    secret_arns                   = []
    log_group_arn                 = ""
    execute_command_log_group_arn = "log"
  }

  expect_failures = [var.name, var.account_id, var.region, var.kms_key_arn, var.permissions_boundary_arn, var.repository_arn, var.secret_arns, var.log_group_arn, var.execute_command_log_group_arn]
}

run "refuses_a_shell_that_nobody_records" {
  command = plan

  module {
    source = "./modules/task-roles"
  }

  variables {
    execute_command = true
  }

  expect_failures = [var.execute_command]
}
