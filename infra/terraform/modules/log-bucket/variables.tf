variable "name" {
  description = "Base of the resources' names."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,26}$", var.name))
    error_message = "name must be 2 to 27 lower-case letters, digits or hyphens."
  }
}

variable "account_id" {
  description = "Account that the bucket belongs to; part of its name, which is unique in the world."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits."
  }
}

variable "region" {
  description = "Region that the bucket lives in."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must be a region's name such as us-east-1."
  }
}

variable "writer" {
  description = "Service that writes the logs: load balancers, or S3 for the access to another bucket."
  type        = string
  default     = "logdelivery.elasticloadbalancing.amazonaws.com"

  validation {
    condition     = contains(["logdelivery.elasticloadbalancing.amazonaws.com", "logging.s3.amazonaws.com"], var.writer)
    error_message = "writer must be logdelivery.elasticloadbalancing.amazonaws.com or logging.s3.amazonaws.com."
  }
}

variable "retention_days" {
  description = "Days that logs are kept."
  type        = number
  default     = 365

  validation {
    condition     = var.retention_days >= 1
    error_message = "retention_days must be 1 or more."
  }
}

variable "force_destroy" {
  description = "Delete the bucket together with the logs in it."
  type        = bool
  default     = false
  nullable    = false
}
