output "arn" {
  description = "Policy's ARN."
  value       = aws_iam_policy.main.arn
}
