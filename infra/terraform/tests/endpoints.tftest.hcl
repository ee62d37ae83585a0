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
  name                   = "shop"
  region                 = "eu-west-1"
  vpc_id                 = "vpc-1"
  subnet_ids             = ["subnet-1", "subnet-2"]
  task_security_group_id = "sg-1"
}

run "what_a_task_needs_to_start" {
  command = plan

  module {
    source = "./modules/endpoints"
  }

  assert {
    condition     = alltrue([for name in ["ecr.api", "ecr.dkr", "logs", "secretsmanager"] : contains(keys(aws_vpc_endpoint.interface), name)])
    error_message = "Images, logs and secrets must be reachable."
  }

  assert {
    condition     = alltrue([for endpoint in aws_vpc_endpoint.interface : endpoint.private_dns_enabled])
    error_message = "The usual names must lead to the endpoints."
  }

  assert {
    condition     = aws_vpc_security_group_ingress_rule.tasks.from_port == 443 && aws_vpc_security_group_ingress_rule.tasks.referenced_security_group_id == "sg-1"
    error_message = "Only tasks reach the endpoints, by HTTPS."
  }
}

run "more_services" {
  command = plan

  module {
    source = "./modules/endpoints"
  }

  variables {
    interface_services = ["ecr.api", "ecr.dkr", "logs", "secretsmanager", "ssmmessages"]
  }

  assert {
    condition     = contains(keys(aws_vpc_endpoint.interface), "ssmmessages")
    error_message = "An added service must get its endpoint."
  }
}

# Refused here: a name with capitals, a region that is none, no vpc, one subnet, no task group, a list without secrets.
run "refuses_nonsense" {
  command = plan

  module {
    source = "./modules/endpoints"
  }

  variables {
    name                   = "Shop"
    region                 = "virginia"
    vpc_id                 = ""
    subnet_ids             = ["subnet-1"]
    task_security_group_id = ""
    interface_services     = ["ecr.api", "ecr.dkr", "logs"]
  }

  expect_failures = [var.name, var.region, var.vpc_id, var.subnet_ids, var.task_security_group_id, var.interface_services]
}
