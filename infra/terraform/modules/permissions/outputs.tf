output "read_policy_arns" {
  description = "What a plan needs."
  value       = { read = aws_iam_policy.main["read"].arn }
}

output "write_policy_arns" {
  description = "What an apply needs on top."
  value       = { for name, policy in aws_iam_policy.main : name => policy.arn if name != "read" }
}
