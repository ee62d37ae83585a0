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
  domain = "potluck.example.com"
}

run "dns_elsewhere" {
  command = plan

  module {
    source = "./modules/certificate"
  }

  assert {
    condition     = aws_acm_certificate.main.domain_name == "potluck.example.com" && aws_acm_certificate.main.validation_method == "DNS" && length(aws_route53_record.validation) == 0
    error_message = "No record can be made without the zone."
  }
}

run "dns_here" {
  command = plan

  module {
    source = "./modules/certificate"
  }

  variables {
    hosted_zone_id = "Z0123456789ABCDEFGHIJ"
  }

  assert {
    condition     = length(aws_route53_record.validation) == 1 && aws_route53_record.validation["potluck.example.com"].zone_id == "Z0123456789ABCDEFGHIJ"
    error_message = "The record must be in the zone."
  }
}

# Refused here: a domain that is none, a zone that is none.
run "refuses_nonsense" {
  command = plan

  module {
    source = "./modules/certificate"
  }

  variables {
    domain         = "http://potluck"
    hosted_zone_id = "example.com"
  }

  expect_failures = [var.domain, var.hosted_zone_id]
}
