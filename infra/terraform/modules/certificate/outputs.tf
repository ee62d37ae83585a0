output "arn" {
  description = "Certificate's ARN, available once it is validated."
  value       = aws_acm_certificate_validation.main.certificate_arn
}
