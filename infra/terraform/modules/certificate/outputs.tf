output "arn" {
  description = "Certificate's ARN, available once it is validated."
  value       = aws_acm_certificate_validation.main.certificate_arn
}

output "validation_records" {
  description = "DNS records that prove the domain's ownership."
  value = [for option in aws_acm_certificate.main.domain_validation_options : {
    name  = option.resource_record_name
    type  = option.resource_record_type
    value = option.resource_record_value
  }]
}
