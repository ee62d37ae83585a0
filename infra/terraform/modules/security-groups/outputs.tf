output "load_balancer_id" {
  description = "Load balancer's group."
  value       = aws_security_group.load_balancer.id
}

output "tasks_id" {
  description = "Tasks' group."
  value       = aws_security_group.tasks.id
}

output "database_id" {
  description = "Database's group, null without a database."
  value       = one(aws_security_group.database[*].id)
}
