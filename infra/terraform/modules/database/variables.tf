variable "name" {
  description = "Base of the resources' names."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,26}$", var.name))
    error_message = "name must be 2 to 27 lower-case letters, digits or hyphens."
  }
}

variable "account_id" {
  description = "Account that the database belongs to."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits."
  }
}

variable "subnet_ids" {
  description = "Private subnets in two zones or more."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "subnet_ids must name subnets in two zones."
  }
}

variable "kms_key_arn" {
  description = "Key that encrypts storage, password, logs and insights."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:kms:", var.kms_key_arn))
    error_message = "kms_key_arn must be a KMS key's ARN."
  }
}

variable "database_name" {
  description = "Database inside the instance."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9_]{0,62}$", var.database_name))
    error_message = "database_name must be lower-case letters, digits or underscores."
  }
}

variable "engine_version" {
  description = "PostgreSQL's major version: RDS goes on to later minor ones by itself, and never back to one that is named."
  type        = string
  default     = "15"

  validation {
    condition     = can(regex("^1[4-9]$", var.engine_version))
    error_message = "aws.database.engine_version must be a quoted major version of PostgreSQL from 14, such as \"15\"."
  }
}

variable "instance_class" {
  description = "Size of the instance."
  type        = string
  default     = "db.t4g.micro"

  validation {
    condition     = can(regex("^db\\.[a-z0-9]+\\.[a-z0-9]+$", var.instance_class))
    error_message = "aws.database.instance_class must be like db.t4g.micro."
  }
}

variable "storage_gb" {
  description = "Storage in GiB at the start."
  type        = number
  default     = 20

  validation {
    condition     = var.storage_gb >= 20 && var.storage_gb <= 65536
    error_message = "aws.database.storage_gb must be from 20 to 65536."
  }
}

variable "max_storage_gb" {
  description = "Storage in GiB that it may grow to by itself."
  type        = number
  default     = 100

  validation {
    condition     = var.max_storage_gb >= ceil(var.storage_gb * 1.1)
    error_message = "aws.database.max_storage_gb must exceed storage_gb by 10 % or more."
  }
}

variable "multi_az" {
  description = "Standby in a second zone."
  type        = bool
  default     = false
  nullable    = false
}

variable "backup_days" {
  description = "Days that automatic backups are kept."
  type        = number
  default     = 7

  validation {
    condition     = var.backup_days >= 1 && var.backup_days <= 35
    error_message = "aws.database.backup_days must be from 1 to 35."
  }
}

variable "deletion_protection" {
  description = "Refuse to delete the database."
  type        = bool
  default     = true
  nullable    = false
}

variable "disposable" {
  description = "Delete the data with the database: no final snapshot, no automated backups."
  type        = bool
  default     = false
  nullable    = false
}

variable "log_retention_days" {
  description = "Days that exported logs are kept."
  type        = number
  default     = 365

  validation {
    condition     = var.log_retention_days >= 1
    error_message = "log_retention_days must be 1 or more."
  }
}

variable "permissions_boundary_arn" {
  description = "Permissions boundary of the monitoring role, null for none."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary_arn == null || can(regex("^arn:[a-z-]+:iam:", var.permissions_boundary_arn))
    error_message = "permissions_boundary_arn must be a policy's ARN or null."
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
