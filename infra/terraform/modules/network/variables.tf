variable "name" {
  description = "Base of the resources' names."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,26}$", var.name))
    error_message = "name must be 2 to 27 lower-case letters, digits or hyphens."
  }
}

variable "cidr" {
  description = "Address range of the VPC, /16 to /20."
  type        = string

  validation {
    condition     = can(cidrsubnet(var.cidr, 4, 7)) && try(tonumber(split("/", var.cidr)[1]) >= 16 && tonumber(split("/", var.cidr)[1]) <= 20, false)
    error_message = "aws.network.cidr must be an IPv4 range from /16 to /20 such as 10.0.0.0/16."
  }
}

variable "egress" {
  description = "How tasks reach AWS: `public` (own public addresses), `nat` (NAT gateways) or `endpoints` (VPC endpoints only)."
  type        = string
  default     = "nat"

  validation {
    condition     = contains(["public", "nat", "endpoints"], var.egress)
    error_message = "aws.network.egress must be public, nat or endpoints."
  }
}

variable "nat_per_zone" {
  description = "One NAT gateway for each zone (survives a zone's loss) instead of one for all."
  type        = bool
  default     = false

  validation {
    condition     = !var.nat_per_zone || var.egress == "nat"
    error_message = "aws.network.nat_per_zone needs aws.network.egress nat."
  }
}

variable "region" {
  description = "Region that the network is in."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must be a region's name such as us-east-1."
  }
}

variable "zones" {
  description = "Letters of the availability zones used. A load balancer and a database need two."
  type        = list(string)
  default     = ["a", "b"]

  validation {
    condition     = contains([2, 3, 4], length(var.zones)) && length(distinct(var.zones)) == length(var.zones) && alltrue([for letter in var.zones : can(regex("^[a-f]$", letter))])
    error_message = "aws.network.zones must be 2 to 4 different letters from a to f."
  }
}

variable "flow_log" {
  description = "Record who talks to whom."
  type        = bool
  default     = true
  nullable    = false
}

variable "log_retention_days" {
  description = "Days that records are kept."
  type        = number
  default     = 365

  validation {
    condition     = var.log_retention_days >= 1
    error_message = "log_retention_days must be 1 or more: records kept for ever cost for ever."
  }
}

variable "account_id" {
  description = "Account that the flow log belongs to."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits."
  }
}

variable "kms_key_arn" {
  description = "Key that encrypts the log group."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:kms:", var.kms_key_arn))
    error_message = "kms_key_arn must be a KMS key's ARN."
  }
}

variable "permissions_boundary_arn" {
  description = "Permissions boundary of the role, null for none."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary_arn == null || can(regex("^arn:[a-z-]+:iam:", var.permissions_boundary_arn))
    error_message = "permissions_boundary_arn must be a policy's ARN or null."
  }
}
