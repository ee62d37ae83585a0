variable "name" {
  description = "Base of the resources' names."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,26}$", var.name))
    error_message = "name must be 2 to 27 lower-case letters, digits or hyphens."
  }
}

variable "cluster_arn" {
  description = "Cluster that the service runs in."
  type        = string

  validation {
    condition     = length(var.cluster_arn) > 0
    error_message = "cluster_arn must not be empty."
  }
}

variable "task_definition_arn" {
  description = "Task definition with revision."
  type        = string

  validation {
    condition     = length(var.task_definition_arn) > 0
    error_message = "task_definition_arn must not be empty."
  }
}

variable "replica_count" {
  description = "Tasks that run; with auto scaling only at the start."
  type        = number

  validation {
    condition     = var.replica_count >= 1
    error_message = "replica_count must be 1 or more."
  }
}

variable "autoscaling" {
  description = "Whether auto scaling decides the number of tasks from then on."
  type        = bool
  default     = false
  nullable    = false
}

variable "subnet_ids" {
  description = "Subnets that tasks run in."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "subnet_ids must name subnets in two zones."
  }
}

variable "assign_public_ip" {
  description = "Whether tasks get a public address, their only way out in a public subnet."
  type        = bool
  default     = false
  nullable    = false
}

variable "target_group_arn" {
  description = "Target group that tasks register in."
  type        = string

  validation {
    condition     = length(var.target_group_arn) > 0
    error_message = "target_group_arn must not be empty."
  }
}

variable "container_name" {
  description = "Container that serves."
  type        = string

  validation {
    condition     = length(var.container_name) > 0
    error_message = "container_name must not be empty."
  }
}

variable "container_port" {
  description = "Port that the container serves on."
  type        = number

  validation {
    condition     = var.container_port >= 1 && var.container_port <= 65535
    error_message = "container_port must be a port number."
  }
}

variable "execute_command" {
  description = "Allow a shell inside tasks (ECS Exec)."
  type        = bool
  default     = false
  nullable    = false
}

variable "vpc_id" {
  description = "VPC's id."
  type        = string

  validation {
    condition     = length(var.vpc_id) > 0
    error_message = "vpc_id must not be empty."
  }
}

variable "prerequisites" {
  description = "Ids of what must exist before the first task starts, such as security group rules and endpoints."
  type        = list(string)
  default     = []

  validation {
    condition     = length(var.prerequisites) < 200
    error_message = "prerequisites must be fewer than 200 ids."
  }
}

# Named also where nothing is watched: the provider sends an empty list as none at all, which its SDK refuses.
variable "deployment_alarms" {
  description = "Alarms that fail a deployment where they are enabled; otherwise only tasks that do not become healthy do."
  type = object({
    enabled = bool
    names   = list(string)
  })

  validation {
    condition     = length(var.deployment_alarms.names) >= 1 && length(var.deployment_alarms.names) <= 10
    error_message = "deployment_alarms.names are 1 to 10."
  }
}
