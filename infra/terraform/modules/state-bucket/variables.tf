variable "name" {
  description = "Bucket's name, unique in the world."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.name))
    error_message = "name must be a bucket's name: 3 to 63 lower-case letters, digits or hyphens."
  }
}

variable "kms_key_arn" {
  description = "Key that encrypts the state."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:kms:", var.kms_key_arn))
    error_message = "kms_key_arn must be a KMS key's ARN."
  }
}

variable "log_bucket" {
  description = "Bucket that keeps who read or wrote the state."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.log_bucket))
    error_message = "log_bucket must be a bucket's name."
  }
}

variable "log_prefix" {
  description = "Where in that bucket S3 may write; ends with a slash."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9/-]+/$", var.log_prefix))
    error_message = "log_prefix must end with a slash."
  }
}

variable "keep_versions_days" {
  description = "Days that a replaced state can be restored. The newest 20 stay for ever."
  type        = number
  default     = 90

  validation {
    condition     = var.keep_versions_days >= 7
    error_message = "keep_versions_days must be 7 or more."
  }
}

variable "force_destroy" {
  description = "Delete the bucket together with the states in it."
  type        = bool
  default     = false
  nullable    = false
}
