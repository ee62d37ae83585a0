output "name" {
  description = "Base of every resource's name."
  value       = local.name
}

output "region" {
  description = "Region of the environment."
  value       = local.aws.region
}

output "alb_dns_name" {
  description = "Load balancer's host name."
  value       = module.load_balancer.dns_name
}

output "alb_arn" {
  description = "Load balancer's ARN."
  value       = module.load_balancer.arn
}

output "target_group_arn" {
  description = "Target group that tasks register in."
  value       = module.load_balancer.target_group_arn
}

output "url" {
  description = "Where the application answers."
  value       = local.https ? "https://${local.aws.load_balancer.domain}" : "http://${module.load_balancer.dns_name}"
}

output "cluster_name" {
  description = "ECS cluster."
  value       = module.cluster.name
}

output "service_name" {
  description = "ECS service."
  value       = module.service.name
}

output "task_definition_arn" {
  description = "Task definition that was asked for."
  value       = module.task.arn
}

output "image" {
  description = "Image that was asked for, by digest."
  value       = module.settings.image
}

output "replica_count" {
  description = "Tasks that run at least."
  value       = module.settings.replica_count
}

output "log_group_name" {
  description = "Log group of the application."
  value       = module.cluster.log_group_name
}

output "database_identifier" {
  description = "RDS instance, null with SQLite."
  value       = one(module.database[*].identifier)
}

output "vpc_id" {
  description = "VPC of the environment."
  value       = module.network.vpc_id
}
