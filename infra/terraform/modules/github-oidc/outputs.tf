output "plan_role_arn" {
  description = "Role of plans; the repository's variable AWS_PLAN_ROLE_ARN."
  value       = aws_iam_role.github["plan"].arn
}

output "preview_role_arn" {
  description = "Role that pushes the images of previews; the variable AWS_PREVIEW_ROLE_ARN of the GitHub environment preview. Null without policies for it."
  value       = try(aws_iam_role.github["preview"].arn, null)
}

output "apply_role_arns" {
  description = "Roles of applies; the variable AWS_APPLY_ROLE_ARN of each GitHub environment."
  value       = { for environment in var.environments : environment => aws_iam_role.github["apply-${environment}"].arn }
}
