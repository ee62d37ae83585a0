output "arn" {
  description = "Cluster's ARN."
  value       = aws_ecs_cluster.main.arn
}

output "name" {
  description = "Cluster's name."
  value       = aws_ecs_cluster.main.name
}

output "execute_command_log_group_arn" {
  description = "Log group for commands run inside tasks."
  value       = aws_cloudwatch_log_group.execute_command.arn
}

output "log_group_name" {
  description = "Log group of the application and its migrations."
  value       = aws_cloudwatch_log_group.application.name
}

output "log_group_arn" {
  description = "Log group of the application and its migrations."
  value       = aws_cloudwatch_log_group.application.arn
}
