variable "name" {
  description = "Base of the resources' names."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,26}$", var.name))
    error_message = "name must be 2 to 27 lower-case letters, digits or hyphens."
  }
}

variable "cluster_name" {
  description = "Cluster that the service runs in."
  type        = string

  validation {
    condition     = length(var.cluster_name) > 0
    error_message = "cluster_name must not be empty."
  }
}

variable "service_name" {
  description = "Service to scale."
  type        = string

  validation {
    condition     = length(var.service_name) > 0
    error_message = "service_name must not be empty."
  }
}

variable "min_replicas" {
  description = "Tasks that run at least."
  type        = number

  validation {
    condition     = var.min_replicas >= 1
    error_message = "min_replicas must be 1 or more."
  }
}

variable "max_replicas" {
  description = "Tasks that run at most."
  type        = number

  validation {
    condition     = var.max_replicas >= var.min_replicas && var.max_replicas <= 200
    error_message = "max_replicas must be from min_replicas to 200."
  }
}

variable "cpu_percent" {
  description = "CPU use that tasks are kept at."
  type        = number
  default     = 60

  validation {
    condition     = var.cpu_percent >= 10 && var.cpu_percent <= 90
    error_message = "aws.service.cpu_percent must be from 10 to 90."
  }
}

variable "requests_per_target" {
  description = "Requests a minute that each task is kept at."
  type        = number
  default     = 1000

  validation {
    condition     = var.requests_per_target >= 1
    error_message = "aws.service.requests_per_target must be 1 or more."
  }
}

variable "load_balancer_arn_suffix" {
  description = "Load balancer's part of CloudWatch dimensions."
  type        = string

  validation {
    condition     = startswith(var.load_balancer_arn_suffix, "app/")
    error_message = "load_balancer_arn_suffix must be like app/<name>/<id>."
  }
}

variable "target_group_arn_suffix" {
  description = "Target group's part of CloudWatch dimensions."
  type        = string

  validation {
    condition     = startswith(var.target_group_arn_suffix, "targetgroup/")
    error_message = "target_group_arn_suffix must be like targetgroup/<name>/<id>."
  }
}
