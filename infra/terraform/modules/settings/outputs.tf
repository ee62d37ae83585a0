output "name" {
  description = "Base of every resource's name."
  value       = local.name

  precondition {
    condition     = !strcontains(local.name, "--") && !endswith(local.name, "-")
    error_message = "${local.name} has two hyphens in a row or one at its end, which RDS and load balancers refuse: change name in project.yaml."
  }

  # A target group's name ends at 32 characters.
  precondition {
    condition     = length(local.name) <= 26
    error_message = "${local.name} has ${length(local.name)} characters, more than 26: shorten aws.name_suffix, or name in project.yaml."
  }

  # <name>-<account>-<region>-access-logs: a bucket's name ends at 63.
  precondition {
    condition     = !var.aws.load_balancer.access_logs || length(local.name) + length(var.aws.region) <= 37
    error_message = "${local.name} has ${length(local.name)} characters, more than the ${37 - length(var.aws.region)} that the access logs' bucket has room for in ${var.aws.region}: shorten aws.name_suffix, or name in project.yaml, or set aws.load_balancer.access_logs: false."
  }
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
