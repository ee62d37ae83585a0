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
  name        = "shop"
  account_id  = "123456789012"
  region      = "us-east-1"
  cidr        = "10.0.0.0/16"
  kms_key_arn = "arn:aws:kms:us-east-1:123456789012:key/1"
}

run "one_nat_for_all_zones" {
  command = plan

  module {
    source = "./modules/network"
  }

  assert {
    condition     = aws_vpc.main.cidr_block == "10.0.0.0/16" && aws_vpc.main.enable_dns_hostnames
    error_message = "The VPC must have the design's range, and DNS names."
  }

  assert {
    condition     = toset([for subnet in aws_subnet.public : subnet.cidr_block]) == toset(["10.0.0.0/20", "10.0.16.0/20"])
    error_message = "Public subnets must be the first of the range."
  }

  assert {
    condition     = toset([for subnet in aws_subnet.private : subnet.cidr_block]) == toset(["10.0.64.0/20", "10.0.80.0/20"])
    error_message = "Private subnets must not touch the public ones."
  }

  assert {
    condition     = toset(keys(aws_subnet.public)) == toset(["us-east-1a", "us-east-1b"])
    error_message = "Zones are named by region and letter."
  }

  assert {
    condition     = length(aws_nat_gateway.main) == 1 && length(aws_route.nat) == 2
    error_message = "Both zones must share one NAT gateway."
  }

  assert {
    condition     = aws_vpc_endpoint.s3[0].vpc_endpoint_type == "Gateway" && aws_vpc_endpoint.s3[0].service_name == "com.amazonaws.us-east-1.s3"
    error_message = "Image layers come from S3 by a gateway that costs nothing, not through NAT."
  }

  assert {
    condition     = alltrue([for subnet in aws_subnet.public : !subnet.map_public_ip_on_launch])
    error_message = "Nothing gets a public address unasked."
  }

  assert {
    condition     = length(aws_flow_log.main) == 1 && aws_flow_log.main[0].traffic_type == "ALL"
    error_message = "Traffic must be recorded by default."
  }

  assert {
    condition     = jsondecode(aws_iam_role.flow_log[0].assume_role_policy).Statement[0].Principal.Service == "vpc-flow-logs.amazonaws.com"
    error_message = "Only flow logs may take on their role."
  }

  assert {
    condition = [for statement in jsondecode(aws_iam_role_policy.flow_log[0].policy).Statement : [statement.Action, statement.Resource]] == [
      [["logs:PutLogEvents", "logs:DescribeLogStreams", "logs:CreateLogStream"], "arn:aws:logs:us-east-1:123456789012:log-group:/vpc/shop/flow:*"],
      ["logs:DescribeLogGroups", "*"],
    ]
    error_message = "Flow logs look for their group, and write to it alone."
  }
}

run "a_nat_for_each_zone" {
  command = plan

  module {
    source = "./modules/network"
  }

  variables {
    zones        = ["a", "b", "c"]
    nat_per_zone = true
  }

  assert {
    condition     = length(aws_nat_gateway.main) == 3 && length(aws_eip.nat) == 3 && length(aws_subnet.private) == 3
    error_message = "Every zone must have its own way out."
  }
}

run "no_nat_with_endpoints" {
  command = plan

  module {
    source = "./modules/network"
  }

  variables {
    egress = "endpoints"
  }

  assert {
    condition     = length(aws_nat_gateway.main) == 0 && length(aws_route.nat) == 0 && length(aws_vpc_endpoint.s3) == 1
    error_message = "With endpoints nothing leaves AWS."
  }
}

run "no_nat_in_public_subnets" {
  command = plan

  module {
    source = "./modules/network"
  }

  variables {
    egress = "public"
  }

  assert {
    condition     = length(aws_nat_gateway.main) == 0 && length(aws_vpc_endpoint.s3) == 0
    error_message = "Tasks with public addresses need no NAT."
  }
}

run "no_flow_log" {
  command = plan

  module {
    source = "./modules/network"
  }

  variables {
    flow_log = false
  }

  assert {
    condition     = length(aws_flow_log.main) == 0 && length(aws_iam_role.flow_log) == 0
    error_message = "Switched off, nothing of the flow log must remain."
  }
}

run "retention_and_boundary_arrive" {
  command = plan

  module {
    source = "./modules/network"
  }

  variables {
    log_retention_days       = 30
    permissions_boundary_arn = "arn:aws:iam::123456789012:policy/shop-boundary"
  }

  assert {
    condition     = aws_cloudwatch_log_group.flow_log[0].retention_in_days == 30
    error_message = "Records must end when they should."
  }

  assert {
    condition     = aws_iam_role.flow_log[0].permissions_boundary == "arn:aws:iam::123456789012:policy/shop-boundary"
    error_message = "The role must have the boundary."
  }
}

# Refused here: a name with capitals, a small range, one zone, another way out, a retention of nothing, a boundary that is no arn, a key that is no arn, an account that is none, a region that is none.
run "refuses_nonsense" {
  command = plan

  module {
    source = "./modules/network"
  }

  variables {
    name                     = "Shop"
    cidr                     = "10.0.0.0/24"
    zones                    = ["a"]
    egress                   = "vpn"
    log_retention_days       = 0
    permissions_boundary_arn = "boundary"
    kms_key_arn              = "key"
    account_id               = "1"
    region                   = "virginia"
  }

  expect_failures = [var.name, var.cidr, var.zones, var.egress, var.log_retention_days, var.permissions_boundary_arn, var.kms_key_arn, var.account_id, var.region]
}

# Refused here: a range that is none, a zone twice, nat per zone without nat.
run "refuses_nonsense_2" {
  command = plan

  module {
    source = "./modules/network"
  }

  variables {
    cidr         = "ten.zero"
    zones        = ["a", "a"]
    nat_per_zone = true
    egress       = "public"
  }

  expect_failures = [var.cidr, var.zones, var.nat_per_zone]
}
