variable "name" {
  description = "Base of the resources' names."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,26}$", var.name))
    error_message = "name must be 2 to 27 lower-case letters, digits or hyphens."
  }
}

variable "errors_percent" {
  description = "Percent of a minute's requests that may be answered with 5xx."
  type        = number

  validation {
    condition     = var.errors_percent >= 0 && var.errors_percent < 100
    error_message = "aws.deployment_alarms.errors_percent must be from 0 to less than 100."
  }
}

variable "latency_seconds" {
  description = "Seconds that nine of ten requests of a minute may take."
  type        = number

  validation {
    condition     = var.latency_seconds > 0
    error_message = "aws.deployment_alarms.latency_seconds must be more than 0."
  }
}

variable "requests" {
  description = "Requests a minute below which nothing is judged."
  type        = number

  validation {
    condition     = var.requests >= 1
    error_message = "aws.deployment_alarms.requests must be 1 or more."
  }
}

variable "minutes" {
  description = "Minutes in a row that must be too bad."
  type        = number

  validation {
    condition     = contains([1, 2, 3, 4, 5], var.minutes)
    error_message = "aws.deployment_alarms.minutes must be a whole number from 1 to 5."
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
