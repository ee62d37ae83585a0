output "key_arn" {
  description = "Key's ARN."
  value       = aws_kms_key.main.arn
}
