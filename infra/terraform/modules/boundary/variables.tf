variable "name" {
  description = "Base of the names of the environment's resources."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,40}$", var.name))
    error_message = "name must be 2 to 41 lower-case letters, digits or hyphens."
  }
}

variable "application" {
  description = "Application's name: its tag on every resource, and the start of its image repositories' names."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,17}$", var.application))
    error_message = "application must be 2 to 18 lower-case letters, digits or hyphens."
  }
}

variable "environment" {
  description = "Environment's name: its tag on every resource."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,23}$", var.environment))
    error_message = "environment must be 1 to 24 lower-case letters, digits or hyphens."
  }
}

variable "account_id" {
  description = "Account that the limit is for."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits."
  }
}
