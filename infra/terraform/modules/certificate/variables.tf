variable "domain" {
  description = "Host name that the certificate is for."
  type        = string

  validation {
    condition     = can(regex("^([a-z0-9]([a-z0-9-]*[a-z0-9])?\\.)+[a-z]{2,}$", var.domain))
    error_message = "aws.load_balancer.domain must be a host name such as shop.example.com."
  }
}

variable "hosted_zone_id" {
  description = "Route 53 zone of the domain, for the validation record."
  type        = string

  validation {
    condition     = can(regex("^Z[A-Z0-9]{5,31}$", var.hosted_zone_id))
    error_message = "aws.load_balancer.hosted_zone_id must be a Route 53 zone's id such as Z0123456789ABCDEFGHIJ."
  }
}
