output "read_policy_arns" {
  description = "What a plan needs."
  value       = { read = aws_iam_policy.main["read"].arn }
}

output "preview_policy_arns" {
  description = "What pushing a preview's image needs."
  value       = { previews = aws_iam_policy.main["previews"].arn }
}

output "write_policy_arns" {
  description = "What an apply needs on top."
  value       = { for name, policy in aws_iam_policy.main : name => policy.arn if !contains(["read", "previews"], name) }
}
