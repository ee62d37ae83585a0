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
  domain         = "shop.example.com"
  hosted_zone_id = "Z0123456789ABCDEFGHIJ"
}

run "dns_here" {
  command = plan

  module {
    source = "./modules/certificate"
  }

  assert {
    condition     = aws_acm_certificate.main.domain_name == "shop.example.com" && aws_acm_certificate.main.validation_method == "DNS"
    error_message = "The certificate must be the domain's."
  }

  assert {
    condition     = aws_acm_certificate_validation.main.timeouts.create == "15m"
    error_message = "The wait must end before the job does."
  }

  assert {
    condition     = length(aws_route53_record.validation) == 1 && aws_route53_record.validation["shop.example.com"].zone_id == "Z0123456789ABCDEFGHIJ"
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
    domain         = "http://shop"
    hosted_zone_id = "example.com"
  }

  expect_failures = [var.domain, var.hosted_zone_id]
}
