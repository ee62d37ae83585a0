variable "name" {
  description = "Base of the resources' names."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,26}$", var.name))
    error_message = "name must be 2 to 27 lower-case letters, digits or hyphens."
  }
}

variable "region" {
  description = "Region that the task runs in."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must be a region's name such as us-east-1."
  }
}

variable "image" {
  description = "Image by digest."
  type        = string

  validation {
    condition     = can(regex("^[^:@]+(:[0-9]+)?/[^:@]+@sha256:[0-9a-f]{64}$", var.image))
    error_message = "image must be <repository>@sha256:<64 hex digits>; a tag can move and never rolls out."
  }
}

variable "container_port" {
  description = "Port that the application listens on."
  type        = number

  validation {
    condition     = var.container_port >= 1024 && var.container_port <= 65535
    error_message = "container_port must be from 1024 to 65535: the application is not root."
  }
}

variable "health_check_path" {
  description = "Path that answers as long as the process can serve; a database outage must not fail it."
  type        = string

  validation {
    condition     = startswith(var.health_check_path, "/")
    error_message = "health_check_path must start with /."
  }
}

variable "migrate_command" {
  description = "Command in the image that brings the database up to date before a task serves; empty for none."
  type        = list(string)

  validation {
    condition     = alltrue([for argument in var.migrate_command : length(argument) > 0])
    error_message = "migrate_command must not hold an empty argument."
  }
}

variable "writable" {
  description = "Folders that the application writes to."
  type        = list(string)
  default     = ["/tmp", "/data"]

  validation {
    condition     = alltrue([for path in var.writable : can(regex("^(/[A-Za-z0-9_-]+)+$", path))])
    error_message = "writable must hold absolute paths of letters, digits, hyphens and underscores."
  }
}

variable "cpu" {
  description = "CPU units, 1024 for one vCPU."
  type        = number
  default     = 256

  validation {
    condition     = contains([256, 512, 1024, 2048, 4096, 8192, 16384], var.cpu)
    error_message = "cpu must be 256, 512, 1024, 2048, 4096, 8192 or 16384."
  }
}

variable "memory" {
  description = "Memory in MiB."
  type        = number
  default     = 512

  validation {
    condition     = var.memory >= 512 && var.memory <= 122880
    error_message = "memory must be from 512 to 122880."
  }
}

variable "environment" {
  description = "Environment variables. Nothing secret: they are visible in the task definition."
  type        = map(string)

  validation {
    condition     = alltrue([for name in keys(var.environment) : !can(regex("PASSWORD|SECRET|TOKEN", name))])
    error_message = "environment must not hold a password, secret or token: use secrets."
  }
}

variable "secrets" {
  description = "Environment variables whose values are fetched from Secrets Manager at start: name to ARN (with JSON key)."
  type        = map(string)

  validation {
    condition     = alltrue([for arn in values(var.secrets) : can(regex("^arn:[a-z-]+:secretsmanager:", arn))])
    error_message = "secrets must be Secrets Manager ARNs."
  }
}

variable "stop_timeout_seconds" {
  description = "Seconds between SIGTERM and SIGKILL. The application drains for 5 and finishes requests within 20."
  type        = number
  default     = 60

  validation {
    condition     = var.stop_timeout_seconds > 30 && var.stop_timeout_seconds <= 120
    error_message = "stop_timeout_seconds must exceed the deregistration delay of 30 seconds; Fargate allows 120."
  }
}

variable "execution_role_arn" {
  description = "Role that ECS starts the task with."
  type        = string

  validation {
    condition     = length(var.execution_role_arn) > 0
    error_message = "execution_role_arn must not be empty."
  }
}

variable "task_role_arn" {
  description = "Role that the application runs as."
  type        = string

  validation {
    condition     = length(var.task_role_arn) > 0
    error_message = "task_role_arn must not be empty."
  }
}

variable "log_group_name" {
  description = "Log group that the containers write to."
  type        = string

  validation {
    condition     = length(var.log_group_name) > 0
    error_message = "log_group_name must not be empty."
  }
}
