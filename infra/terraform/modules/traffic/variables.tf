variable "name" {
  description = "Base of the resources' names."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,26}$", var.name))
    error_message = "name must be 2 to 27 lower-case letters, digits or hyphens."
  }
}

variable "container_port" {
  description = "Port that the application listens on."
  type        = number

  validation {
    condition     = var.container_port >= 1024 && var.container_port <= 65535
    error_message = "container_port must be from 1024 to 65535: the application is not root."
  }
}

variable "https" {
  description = "Whether the load balancer also listens on 443."
  type        = bool
  nullable    = false
}

variable "database" {
  description = "Whether there is a database to reach."
  type        = bool
  nullable    = false
}

variable "allowed_cidrs" {
  description = "Address ranges that may reach the load balancer."
  type        = list(string)
  default     = ["0.0.0.0/0"]

  validation {
    condition     = length(var.allowed_cidrs) > 0 && alltrue([for cidr in var.allowed_cidrs : can(cidrnetmask(cidr))])
    error_message = "aws.load_balancer.allowed_cidrs must be IPv4 ranges such as 0.0.0.0/0."
  }
}

variable "load_balancer_group_id" {
  description = "Load balancer's security group."
  type        = string

  validation {
    condition     = length(var.load_balancer_group_id) > 0
    error_message = "load_balancer_group_id must not be empty."
  }
}

variable "task_group_id" {
  description = "Tasks' security group."
  type        = string

  validation {
    condition     = length(var.task_group_id) > 0
    error_message = "task_group_id must not be empty."
  }
}

variable "database_group_id" {
  description = "Database's security group, null without a database."
  type        = string
  default     = null

  validation {
    condition     = !var.database || var.database_group_id != null
    error_message = "database needs database_group_id."
  }
}
