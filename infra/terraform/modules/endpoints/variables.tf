variable "name" {
  description = "Base of the resources' names."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,26}$", var.name))
    error_message = "name must be 2 to 27 lower-case letters, digits or hyphens."
  }
}

variable "region" {
  description = "Region that the endpoints are in."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must be a region's name such as us-east-1."
  }
}

variable "vpc_id" {
  description = "VPC's id."
  type        = string

  validation {
    condition     = length(var.vpc_id) > 0
    error_message = "vpc_id must not be empty."
  }
}

variable "subnet_ids" {
  description = "Subnets that get an endpoint's address."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "subnet_ids must name subnets in two zones."
  }
}

variable "task_security_group_id" {
  description = "Security group that may use the endpoints."
  type        = string

  validation {
    condition     = length(var.task_security_group_id) > 0
    error_message = "task_security_group_id must not be empty."
  }
}

variable "interface_services" {
  description = "Services reached through interface endpoints, as in their service name."
  type        = set(string)
  default     = ["ecr.api", "ecr.dkr", "kms", "logs", "secretsmanager"]

  validation {
    condition     = alltrue([for service in ["ecr.api", "ecr.dkr", "logs", "secretsmanager"] : contains(var.interface_services, service)])
    error_message = "interface_services must hold ecr.api, ecr.dkr, logs and secretsmanager: no task starts without them."
  }
}
