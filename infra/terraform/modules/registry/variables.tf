variable "name" {
  description = "Repository's name."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,40}$", var.name))
    error_message = "name must be 2 to 41 lower-case letters, digits or hyphens."
  }
}

variable "kms_key_arn" {
  description = "Key that encrypts the images."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:kms:", var.kms_key_arn))
    error_message = "kms_key_arn must be a KMS key's ARN."
  }
}

variable "keep_deployed" {
  description = "Images kept of those that an environment ran, the newest ones: an environment may be that far behind."
  type        = number
  default     = 1000

  validation {
    condition     = var.keep_deployed >= 100
    error_message = "keep_deployed must be 100 or more: an image that an environment still runs must not expire."
  }
}

variable "keep_images" {
  description = "Newest images that are kept, deployed or not."
  type        = number
  default     = 100

  validation {
    condition     = var.keep_images >= 10
    error_message = "keep_images must be 10 or more: an image waits for its deployment."
  }
}

variable "pull_account_ids" {
  description = "Further accounts whose environments run these images."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for id in var.pull_account_ids : can(regex("^[0-9]{12}$", id))])
    error_message = "pull_account_ids must be account ids of 12 digits."
  }
}

variable "force_delete" {
  description = "Delete the repository together with its images."
  type        = bool
  default     = false
  nullable    = false
}
