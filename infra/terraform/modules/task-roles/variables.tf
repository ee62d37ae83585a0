variable "name" {
  description = "Base of the resources' names."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,26}$", var.name))
    error_message = "name must be 2 to 27 lower-case letters, digits or hyphens."
  }
}

variable "account_id" {
  description = "Account that the task runs in."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits."
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

variable "repository_arn" {
  description = "ECR repository that the image is pulled from."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:ecr:", var.repository_arn))
    error_message = "repository_arn must be an ECR repository's ARN."
  }
}

variable "secret_arns" {
  description = "Secrets that may be read at start."
  type        = list(string)

  validation {
    condition     = length(var.secret_arns) > 0
    error_message = "secret_arns must not be empty."
  }
}

variable "kms_key_arn" {
  description = "Key that encrypts what rests on disk."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:kms:", var.kms_key_arn))
    error_message = "kms_key_arn must be a KMS key's ARN."
  }
}

variable "execute_command" {
  description = "Allow a shell inside tasks (ECS Exec)."
  type        = bool
  default     = false
  nullable    = false

  validation {
    condition     = !var.execute_command || var.execute_command_log_group_arn != null
    error_message = "execute_command needs execute_command_log_group_arn: sessions are recorded."
  }
}

variable "execute_command_log_group_arn" {
  description = "Log group that records commands run inside tasks."
  type        = string
  default     = null

  validation {
    condition     = var.execute_command_log_group_arn == null || can(regex("^arn:[a-z-]+:logs:", var.execute_command_log_group_arn))
    error_message = "execute_command_log_group_arn must be a log group's ARN."
  }
}

variable "permissions_boundary_arn" {
  description = "Permissions boundary of the roles, null for none."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary_arn == null || can(regex("^arn:[a-z-]+:iam:", var.permissions_boundary_arn))
    error_message = "permissions_boundary_arn must be a policy's ARN or null."
  }
}

variable "log_group_arn" {
  description = "Log group that tasks write to."
  type        = string

  validation {
    condition     = length(var.log_group_arn) > 0
    error_message = "log_group_arn must not be empty."
  }
}
