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

mock_provider "aws" {
  alias = "made"
}

variables {
  name                   = "shop"
  container_port         = 5000
  https                  = true
  database               = true
  load_balancer_group_id = "sg-alb"
  task_group_id          = "sg-tasks"
  database_group_id      = "sg-db"
}

run "only_the_balancer_is_open_to_the_world" {
  command = plan

  module {
    source = "./modules/traffic"
  }

  assert {
    condition     = toset([for rule in aws_vpc_security_group_ingress_rule.listener : rule.from_port]) == toset([80, 443])
    error_message = "The world reaches 80 and 443."
  }

  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_ingress_rule.listener : rule.security_group_id == "sg-alb" && rule.from_port == rule.to_port])
    error_message = "The world reaches the balancer only."
  }

  assert {
    condition     = aws_vpc_security_group_ingress_rule.tasks_from_load_balancer.from_port == 5000 && aws_vpc_security_group_ingress_rule.tasks_from_load_balancer.to_port == 5000 && aws_vpc_security_group_ingress_rule.tasks_from_load_balancer.referenced_security_group_id == "sg-alb" && aws_vpc_security_group_ingress_rule.tasks_from_load_balancer.cidr_ipv4 == null
    error_message = "5000 is open to the balancer only."
  }

  assert {
    condition     = aws_vpc_security_group_ingress_rule.database_from_tasks[0].from_port == 5432 && aws_vpc_security_group_ingress_rule.database_from_tasks[0].referenced_security_group_id == "sg-tasks" && aws_vpc_security_group_ingress_rule.database_from_tasks[0].cidr_ipv4 == null
    error_message = "5432 is open to tasks only."
  }

  assert {
    condition     = aws_vpc_security_group_egress_rule.load_balancer_to_tasks.referenced_security_group_id == "sg-tasks"
    error_message = "The balancer reaches tasks only."
  }

  assert {
    condition     = aws_vpc_security_group_egress_rule.tasks_https.from_port == 443 && aws_vpc_security_group_egress_rule.tasks_https.to_port == 443
    error_message = "Tasks leave by HTTPS only."
  }
}

run "no_certificate_no_443" {
  command = plan

  module {
    source = "./modules/traffic"
  }

  variables {
    https = false
  }

  assert {
    condition     = toset([for rule in aws_vpc_security_group_ingress_rule.listener : rule.from_port]) == toset([80])
    error_message = "Without HTTPS 443 stays closed."
  }
}

run "no_database_no_5432" {
  command = plan

  module {
    source = "./modules/traffic"
  }

  variables {
    database          = false
    database_group_id = null
  }

  assert {
    condition     = length(aws_vpc_security_group_ingress_rule.database_from_tasks) == 0 && length(aws_vpc_security_group_egress_rule.tasks_to_database) == 0
    error_message = "Without a database 5432 stays closed."
  }
}

run "an_office_only" {
  command = plan

  module {
    source = "./modules/traffic"
  }

  variables {
    allowed_cidrs = ["198.51.100.0/24"]
  }

  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_ingress_rule.listener : rule.cidr_ipv4 == "198.51.100.0/24"])
    error_message = "Only the given ranges may enter."
  }
}

run "another_port" {
  command = plan

  module {
    source = "./modules/traffic"
  }

  variables {
    container_port = 8080
  }

  assert {
    condition     = aws_vpc_security_group_ingress_rule.tasks_from_load_balancer.from_port == 8080 && aws_vpc_security_group_egress_rule.load_balancer_to_tasks.to_port == 8080
    error_message = "Both sides must open the same port."
  }
}

run "rules_of_a_port" {
  command   = apply
  state_key = "made"

  providers = { aws = aws.made }

  module {
    source = "./modules/traffic"
  }

  assert {
    condition     = terraform_data.container_port.output == 5000
    error_message = "The port must be remembered."
  }
}

# The rules of the port before go when no task serves on it any more (create_before_destroy).
run "a_new_port_has_rules_of_its_own" {
  command   = apply
  state_key = "made"

  providers = { aws = aws.made }

  module {
    source = "./modules/traffic"
  }

  variables {
    container_port = 8080
  }

  assert {
    condition     = length(setintersection(output.rule_ids, run.rules_of_a_port.rule_ids)) == length(output.rule_ids) - 2
    error_message = "Both sides must get a new rule, and everything else must stay."
  }
}

# Refused here: a name with capitals, a privileged port, a range that is none, no balancer group, no task group, a database without group.
run "refuses_nonsense" {
  command = plan

  module {
    source = "./modules/traffic"
  }

  variables {
    name                   = "Shop"
    container_port         = 80
    allowed_cidrs          = ["everywhere"]
    load_balancer_group_id = ""
    task_group_id          = ""
    database_group_id      = null
  }

  expect_failures = [var.name, var.container_port, var.allowed_cidrs, var.load_balancer_group_id, var.task_group_id, var.database_group_id]
}

run "refuses_no_range" {
  command = plan

  module {
    source = "./modules/traffic"
  }

  variables {
    allowed_cidrs = []
  }

  expect_failures = [var.allowed_cidrs]
}
