variable "name" {
  description = "Base of the resources' names."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,26}$", var.name))
    error_message = "name must be 2 to 27 lower-case letters, digits or hyphens."
  }
}

variable "account_id" {
  description = "Account whose alarms may publish."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits."
  }
}

variable "emails" {
  description = "Addresses that alarms are sent to."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for address in var.emails : can(regex("^[^@ ]+@[^@ ]+\\.[^@ ]+$", address))])
    error_message = "aws.alarms.emails must be e-mail addresses."
  }
}

variable "kms_key_arn" {
  description = "Key that encrypts the messages."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:kms:", var.kms_key_arn))
    error_message = "kms_key_arn must be a KMS key's ARN."
  }
}

variable "cluster_name" {
  description = "ECS cluster."
  type        = string

  validation {
    condition     = length(var.cluster_name) > 0
    error_message = "cluster_name must not be empty."
  }
}

variable "service_name" {
  description = "ECS service."
  type        = string

  validation {
    condition     = length(var.service_name) > 0
    error_message = "service_name must not be empty."
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

variable "database" {
  description = "RDS instance, its storage in GiB and the connections it takes; null without one."
  type = object({
    identifier      = string
    storage_gb      = number
    max_connections = number
  })
  default = null

  validation {
    condition     = var.database == null || try(var.database.max_connections > 0, false)
    error_message = "database.max_connections must be more than 0."
  }
}
