# Certificate for the domain. With a hosted zone it is validated by DNS here; without one the owner of the domain adds
# the records shown in the outputs, and apply waits for that.

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
  for_each = var.hosted_zone_id == null ? toset([]) : toset([var.domain])

  zone_id         = var.hosted_zone_id
  name            = local.validations[each.key].resource_record_name
  type            = local.validations[each.key].resource_record_type
  records         = [local.validations[each.key].resource_record_value]
  ttl             = 60
  allow_overwrite = true
}

resource "aws_acm_certificate_validation" "main" {
  certificate_arn         = aws_acm_certificate.main.arn
  validation_record_fqdns = var.hosted_zone_id == null ? null : [for record in aws_route53_record.validation : record.fqdn]
}
