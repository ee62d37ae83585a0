locals {
  created = one(concat(aws_ecs_service.fixed, aws_ecs_service.scaled))
}

output "name" {
  description = "Service's name."
  value       = local.created.name
}

output "task_definition_arn" {
  description = "Task definition that the service runs, as ECS tells it."
  value       = local.created.task_definition
}

output "security_group_id" {
  description = "Tasks' security group."
  value       = aws_security_group.tasks.id
}
