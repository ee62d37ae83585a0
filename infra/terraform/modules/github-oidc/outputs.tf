output "role_arns" {
  description = "Roles by kind (`plan`, `read`, `apply`) and environment."
  value = {
    for kind in keys(local.contexts) :
    kind => { for environment in keys(var.environments) : environment => aws_iam_role.github["${kind}-${environment}"].arn }
  }
}

output "preview_role_arn" {
  description = "Role that pushes the images of previews; the variable AWS_PREVIEW_ROLE_ARN of the GitHub environment preview. Null without policies for it."
  value       = try(aws_iam_role.github["preview"].arn, null)
}
