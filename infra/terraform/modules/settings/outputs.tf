output "name" {
  description = "Base of every resource's name."
  value       = local.name
}

output "environment" {
  description = "Environment's name."
  value       = var.environment
}

output "image" {
  description = "Image reference by digest."
  value       = "${var.image.repository}@${var.image.digest}"
}

output "image_digest" {
  description = "Image's digest alone."
  value       = var.image.digest
}

output "image_repository" {
  description = "Image reference without digest."
  value       = var.image.repository
}

output "replica_count" {
  description = "Tasks that run at least."
  value       = var.replica_count
}

output "database_pool" {
  description = "Most connections of one worker to the database."
  value       = local.database_pool

  precondition {
    condition     = var.database.engine != "postgresql" || local.replicas <= local.most_replicas
    error_message = "${local.replicas} replicas in a rollout need more connections than ${var.aws.database.instance_class} offers (enough for ${local.most_replicas}): choose a larger aws.database.instance_class, or fewer replicas."
  }
}

output "max_connections" {
  description = "Connections that the database's class offers."
  value       = local.max_connections
}

output "postgresql" {
  description = "Whether the application's data lives in RDS."
  value       = var.database.engine == "postgresql"
}

output "aws" {
  description = "The aws block with its defaults filled in."
  value       = var.aws
}

output "tags" {
  description = "Tags for every resource, set once in the provider."
  value = merge(var.aws.tags, {
    Application = var.application
    Environment = var.environment
    ManagedBy   = "terraform"
  })
}
