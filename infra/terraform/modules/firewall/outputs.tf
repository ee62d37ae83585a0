output "arn" {
  description = "Web ACL's ARN."
  value       = aws_wafv2_web_acl.main.arn
}
