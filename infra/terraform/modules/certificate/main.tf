# Certificate for a domain whose Route 53 zone is here: validated by a record in it. For a domain whose DNS is elsewhere the
# environment names a certificate that was issued before (docs/terraform.md): an apply cannot wait for people.

resource "aws_acm_certificate" "main" {
  domain_name       = var.domain
  validation_method = "DNS"

  options {
    certificate_transparency_logging_preference = "ENABLED"
  }

  lifecycle {
    create_before_destroy = true
  }
}

locals {
  validations = { for option in aws_acm_certificate.main.domain_validation_options : option.domain_name => option }
}

# Keyed by the domain, which is known before the certificate exists.
resource "aws_route53_record" "validation" {
  for_each = toset([var.domain])

  zone_id         = var.hosted_zone_id
  name            = local.validations[each.key].resource_record_name
  type            = local.validations[each.key].resource_record_type
  records         = [local.validations[each.key].resource_record_value]
  ttl             = 60
  allow_overwrite = true
}

resource "aws_acm_certificate_validation" "main" {
  certificate_arn         = aws_acm_certificate.main.arn
  validation_record_fqdns = [for record in aws_route53_record.validation : record.fqdn]

  # ACM takes minutes. The provider's 75 minutes outlive a job, which would leave the state locked.
  timeouts {
    create = "15m"
  }
}
