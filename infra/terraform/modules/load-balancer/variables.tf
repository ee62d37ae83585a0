variable "name" {
  description = "Base of the resources' names."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,26}$", var.name))
    error_message = "name must be 2 to 27 lower-case letters, digits or hyphens."
  }
}

variable "vpc_id" {
  description = "VPC's id."
  type        = string

  validation {
    condition     = length(var.vpc_id) > 0
    error_message = "vpc_id must not be empty."
  }
}

variable "subnet_ids" {
  description = "Public subnets in two zones or more."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "subnet_ids must name subnets in two zones."
  }
}

variable "health_check_path" {
  description = "Path that answers 200 when a task can serve."
  type        = string

  validation {
    condition     = startswith(var.health_check_path, "/")
    error_message = "health_check_path must start with /."
  }
}

variable "idle_timeout_seconds" {
  description = "Seconds before an idle connection closes. The application's keep-alive (65 s) must exceed it, or reused connections fail."
  type        = number
  default     = 60

  validation {
    condition     = var.idle_timeout_seconds >= 1 && var.idle_timeout_seconds < 65
    error_message = "idle_timeout_seconds must be less than the application's keep-alive of 65 seconds."
  }
}

variable "deregistration_delay_seconds" {
  description = "Seconds that a leaving task still gets its running requests answered. Must end before the task is killed (stop timeout 60 s)."
  type        = number
  default     = 30

  validation {
    condition     = var.deregistration_delay_seconds >= 0 && var.deregistration_delay_seconds < 60
    error_message = "deregistration_delay_seconds must be less than the task's stop timeout of 60 seconds."
  }
}

variable "https" {
  description = "Whether to serve HTTPS and redirect HTTP to it."
  type        = bool
  default     = false
  nullable    = false
}

variable "certificate_arn" {
  description = "Validated ACM certificate for HTTPS."
  type        = string
  default     = null

  validation {
    condition     = !var.https || var.certificate_arn != null
    error_message = "https needs certificate_arn."
  }
}

variable "access_log_bucket" {
  description = "Bucket for access logs, null for none."
  type        = string
  default     = null

  validation {
    condition     = var.access_log_bucket == null || can(regex("^[a-z0-9.-]{3,63}$", var.access_log_bucket))
    error_message = "access_log_bucket must be a bucket's name or null."
  }
}

variable "deletion_protection" {
  description = "Refuse to delete the load balancer."
  type        = bool
  default     = true
  nullable    = false
}

variable "firewall" {
  description = "Whether a web application firewall stands in front."
  type        = bool
  default     = false
  nullable    = false
}

variable "web_acl_arn" {
  description = "Firewall's rules."
  type        = string
  default     = null

  validation {
    condition     = !var.firewall || var.web_acl_arn != null
    error_message = "firewall needs web_acl_arn."
  }
}
