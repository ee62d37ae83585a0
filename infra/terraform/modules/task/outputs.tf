output "arn" {
  description = "Task definition's ARN with revision."
  value       = aws_ecs_task_definition.main.arn
}

output "container_name" {
  description = "Container that serves."
  value       = var.name
}

output "container_port" {
  description = "Port that the container serves on."
  value       = var.container_port
}
