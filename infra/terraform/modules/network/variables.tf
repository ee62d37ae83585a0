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

variable "zone_count" {
  description = "Availability zones used. A load balancer and a database need two."
  type        = number
  default     = 2

  validation {
    condition     = contains([2, 3, 4], var.zone_count)
    error_message = "aws.network.zones must be 2, 3 or 4."
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
