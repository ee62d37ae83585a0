output "policy_arns" {
  description = "Policies of each role, by name."
  value       = { for role in var.roles : role => { for policy in local.table.roles[role] : policy => aws_iam_policy.main[policy].arn } }
}
