output "execution_role_arn" {
  description = "Role that ECS starts a task with, once it may do so."
  value       = aws_iam_role.execution.arn
  depends_on  = [aws_iam_role_policy.execution]
}

output "task_role_arn" {
  description = "Role that the application runs as."
  value       = aws_iam_role.task.arn
  depends_on  = [aws_iam_role_policy.execute_command]
}
