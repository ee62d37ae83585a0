variable "name" {
  description = "Base of the resources' names."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,26}$", var.name))
    error_message = "name must be 2 to 27 lower-case letters, digits or hyphens."
  }
}

variable "requests_per_5_minutes" {
  description = "Requests from one address in 5 minutes before it is blocked."
  type        = number
  default     = 2000

  validation {
    condition     = var.requests_per_5_minutes >= 100
    error_message = "requests_per_5_minutes must be 100 or more."
  }
}

variable "kms_key_arn" {
  description = "Key that encrypts the log group."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:kms:", var.kms_key_arn))
    error_message = "kms_key_arn must be a KMS key's ARN."
  }
}

variable "log_retention_days" {
  description = "Days that logs are kept."
  type        = number
  default     = 365

  validation {
    condition     = var.log_retention_days >= 1
    error_message = "log_retention_days must be 1 or more: logs kept for ever cost for ever."
  }
}
