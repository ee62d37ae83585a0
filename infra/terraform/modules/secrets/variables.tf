variable "name" {
  description = "Base of the resources' names."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,26}$", var.name))
    error_message = "name must be 2 to 27 lower-case letters, digits or hyphens."
  }
}

variable "kms_key_arn" {
  description = "Key that encrypts the secret."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:kms:", var.kms_key_arn))
    error_message = "kms_key_arn must be a KMS key's ARN."
  }
}

variable "recovery_window_days" {
  description = "Days in which a deleted secret can be restored; 0 deletes at once, so that its name can be used again."
  type        = number
  default     = 30

  validation {
    condition     = var.recovery_window_days == 0 || (var.recovery_window_days >= 7 && var.recovery_window_days <= 30)
    error_message = "recovery_window_days must be 0 or from 7 to 30."
  }
}

variable "secret_key_version" {
  description = "Raise it to replace the signing key."
  type        = number
  default     = 1

  validation {
    condition     = var.secret_key_version >= 1 && floor(var.secret_key_version) == var.secret_key_version
    error_message = "secret_key_version must be a whole number from 1."
  }
}

variable "application" {
  description = "Names of the variables that the application reads further secrets from."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for name in var.application : can(regex("^[A-Za-z_][A-Za-z0-9_]*$", name))])
    error_message = "application must be names of variables."
  }
}
