variable "name" {
  description = "Application's name: what its resources' names start with."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,17}$", var.name))
    error_message = "name must be 2 to 18 lower-case letters, digits or hyphens."
  }
}

variable "account_id" {
  description = "Account that the permissions are for."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits."
  }
}

variable "region" {
  description = "Region that the permissions are for."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must be a region's name such as us-east-1."
  }
}

variable "permissions_boundary_arn" {
  description = "Boundary that every role of an environment must have."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:iam:", var.permissions_boundary_arn))
    error_message = "permissions_boundary_arn must be a policy's ARN."
  }
}
