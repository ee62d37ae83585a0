variable "name" {
  description = "Base of the resources' names."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,26}$", var.name))
    error_message = "name must be 2 to 27 lower-case letters, digits or hyphens."
  }
}

variable "environment" {
  description = "Environment whose costs count, by the tag Environment."
  type        = string

  validation {
    condition     = length(var.environment) > 0
    error_message = "environment must not be empty."
  }
}

variable "limit_usd" {
  description = "US dollars a month."
  type        = number

  validation {
    condition     = var.limit_usd > 0
    error_message = "aws.budget_usd must be more than 0."
  }
}

variable "topic_arns" {
  description = "Topics that are told."
  type        = list(string)
  default     = []

  validation {
    condition     = length(var.topic_arns) + length(var.emails) > 0
    error_message = "A budget needs somebody to tell: switch alarms on or give aws.alarms.emails."
  }
}

variable "emails" {
  description = "Addresses that are told."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for address in var.emails : can(regex("^[^@ ]+@[^@ ]+\\.[^@ ]+$", address))])
    error_message = "aws.alarms.emails must be e-mail addresses."
  }
}
