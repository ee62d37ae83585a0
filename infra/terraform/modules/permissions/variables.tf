variable "name" {
  description = "Base of the names of the environment's resources."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,26}$", var.name))
    error_message = "name must be 2 to 27 lower-case letters, digits or hyphens."
  }
}

variable "application" {
  description = "Application's name: its tag on every resource, and its image repository."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,17}$", var.application))
    error_message = "application must be 2 to 18 lower-case letters, digits or hyphens."
  }
}

variable "environment" {
  description = "Environment's name: its tag on every resource, and the folder of its state."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,23}$", var.environment))
    error_message = "environment must be 1 to 24 lower-case letters, digits or hyphens."
  }
}

variable "roles" {
  description = "Roles whose policies are made: `plan`, `read`, `apply`, `preview`."
  type        = set(string)

  validation {
    condition     = length(setsubtract(var.roles, ["plan", "read", "apply", "preview"])) == 0
    error_message = "roles must be of plan, read, apply, preview."
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

variable "state_bucket" {
  description = "Bucket of the states; each environment's lies in a folder of its name."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.state_bucket))
    error_message = "state_bucket must be a bucket's name."
  }
}

variable "domain" {
  description = "Environment's domain, whose records may be written."
  type        = string
  default     = null

  validation {
    condition     = var.domain == null || can(regex("^[a-z0-9.-]+$", var.domain))
    error_message = "domain must be a host's name, without wildcards."
  }
}

variable "hosted_zone_id" {
  description = "Zone of the domain; null where no record is written."
  type        = string
  default     = null

  validation {
    condition     = var.hosted_zone_id == null || can(regex("^Z[A-Z0-9]+$", var.hosted_zone_id))
    error_message = "hosted_zone_id must be a zone's id such as Z123."
  }
}
