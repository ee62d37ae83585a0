variable "application" {
  description = "Name that every resource's name starts with."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,17}$", var.application)) && !startswith(var.application, "internal-")
    error_message = "application must be 2 to 18 lower-case letters, digits or hyphens, and not begin with internal-: load balancer names end at 32 characters, and none begins so."
  }
}

variable "environment" {
  description = "Environment's name, `name` of the environment file."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,23}$", var.environment))
    error_message = "name must be 1 to 24 lower-case letters, digits or hyphens and start with a letter, such as \"staging\"."
  }
}

variable "image" {
  description = "Image to run: repository (registry host and path, no tag) and digest (`sha256:` and 64 hex digits)."
  type = object({
    repository = string
    digest     = optional(string)
  })

  validation {
    condition     = can(regex("^[a-z0-9.-]+(:[0-9]+)?/[a-z0-9]+([._/-][a-z0-9]+)*$", var.image.repository))
    error_message = "image.repository must be <registry host>/<path> without tag or digest."
  }

  validation {
    condition     = var.image.digest != null
    error_message = "image.digest is not set: nothing has been released to this environment yet. Build and push an image, then record its digest."
  }

  validation {
    condition     = var.image.digest == null || can(regex("^sha256:[0-9a-f]{64}$", var.image.digest))
    error_message = "image.digest must be sha256: and 64 lower-case hex digits. A tag can move and is refused."
  }
}

variable "replica_count" {
  description = "Tasks that run at least."
  type        = number

  validation {
    condition     = var.replica_count >= 1 && var.replica_count <= 50 && floor(var.replica_count) == var.replica_count
    error_message = "replicaCount must be a whole number from 1 to 50."
  }

  validation {
    condition     = var.replica_count == 1 || var.database.engine != "sqlite"
    error_message = "replicaCount must be 1 with database.engine sqlite: each replica would have a file of its own and data would be lost. Use postgresql."
  }
}

variable "database" {
  description = "Where the application keeps its data: engine is `sqlite` (inside the task, lost with it), `postgresql` (RDS) or `none`."
  type = object({
    engine = string
  })

  validation {
    condition     = contains(["sqlite", "postgresql", "none"], var.database.engine)
    error_message = "database.engine must be sqlite, postgresql or none."
  }
}

# tflint-ignore: terraform_unused_declarations # its check is its use
variable "aws_keys" {
  description = "Keys found in the file's `aws` block (`region`, `network.cidr`, …): a misspelt setting is refused, not ignored."
  type        = list(string)

  validation {
    condition     = length(setsubtract(var.aws_keys, local.known_keys)) == 0
    error_message = "Unknown setting in the aws block: ${join(", ", setsubtract(var.aws_keys, local.known_keys))}. docs/terraform.md lists them all."
  }
}

variable "aws" {
  description = "The file's `aws` block. Every key but account_id has a default, which is the careful choice."
  type = object({
    account_id          = string
    region              = optional(string, "us-east-1")
    name_suffix         = optional(string, "")
    deletion_protection = optional(bool, true)
    disposable          = optional(bool, false)
    tags                = optional(map(string), {})
    budget_usd          = optional(number, 0)
    log_retention_days  = optional(number, 365)
    secret_key_version  = optional(number, 1)

    network = optional(object({
      cidr         = optional(string, "10.0.0.0/16")
      zones        = optional(list(string), ["a", "b"])
      egress       = optional(string, "nat")
      nat_per_zone = optional(bool, false)
      flow_logs    = optional(bool, true)
    }), {})
    load_balancer = optional(object({
      domain          = optional(string)
      hosted_zone_id  = optional(string)
      certificate_arn = optional(string)
      allowed_cidrs   = optional(list(string), ["0.0.0.0/0"])
      access_logs     = optional(bool, true)
      waf             = optional(bool, false)
    }), {})
    service = optional(object({
      cpu                 = optional(number, 256)
      memory              = optional(number, 512)
      max_replicas        = optional(number)
      cpu_percent         = optional(number, 60)
      requests_per_target = optional(number, 1000)
      execute_command     = optional(bool, false)
    }), {})
    database = optional(object({
      engine_version = optional(string, "15")
      instance_class = optional(string, "db.t4g.micro")
      storage_gb     = optional(number, 20)
      max_storage_gb = optional(number, 100)
      multi_az       = optional(bool, false)
      backup_days    = optional(number, 7)
    }), {})
    alarms = optional(object({
      enabled = optional(bool, true)
      emails  = optional(list(string), [])
    }), {})
    deployment_alarms = optional(object({
      enabled         = optional(bool, true)
      errors_percent  = optional(number, 5)
      latency_seconds = optional(number, 1)
      requests        = optional(number, 20)
      minutes         = optional(number, 1)
    }), {})
  })

  validation {
    condition     = can(regex("^[0-9]{12}$", var.aws.account_id))
    error_message = "aws.account_id must be 12 digits in quotes: it keeps this environment from being applied to another account."
  }

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.aws.region))
    error_message = "aws.region must be a region's name such as us-east-1."
  }

  validation {
    condition     = can(regex("^([a-z0-9]{1,8})?$", var.aws.name_suffix))
    error_message = "aws.name_suffix must be at most 8 lower-case letters or digits."
  }

  validation {
    condition = contains(
      [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653],
      var.aws.log_retention_days
    )
    error_message = "aws.log_retention_days must be one that CloudWatch Logs offers: 1, 3, 5, 7, 14, 30, 60, 90, …, 365, 400, …"
  }

  validation {
    condition     = contains(try(local.fargate_memory[var.aws.service.cpu], []), var.aws.service.memory)
    error_message = "aws.service.cpu and memory must be a pair that Fargate offers, such as 256 and 512."
  }

  validation {
    condition     = try(coalesce(var.aws.service.max_replicas, var.replica_count) >= var.replica_count, true)
    error_message = "aws.service.max_replicas must not be less than replicaCount."
  }

  validation {
    condition     = var.aws.service.max_replicas == null || var.database.engine != "sqlite"
    error_message = "aws.service.max_replicas needs database.engine postgresql: SQLite serves one replica."
  }

  validation {
    condition     = var.aws.load_balancer.domain != null || (var.aws.load_balancer.hosted_zone_id == null && var.aws.load_balancer.certificate_arn == null)
    error_message = "aws.load_balancer.hosted_zone_id and certificate_arn need aws.load_balancer.domain."
  }

  validation {
    condition     = var.aws.load_balancer.domain == null || var.aws.load_balancer.hosted_zone_id != null || var.aws.load_balancer.certificate_arn != null
    error_message = "aws.load_balancer.domain needs hosted_zone_id (its Route 53 zone) or certificate_arn (a certificate that is issued: docs/terraform.md has the commands)."
  }

  validation {
    condition     = var.aws.load_balancer.certificate_arn == null || can(regex("^arn:[a-z-]+:acm:${var.aws.region}:${var.aws.account_id}:certificate/", var.aws.load_balancer.certificate_arn))
    error_message = "aws.load_balancer.certificate_arn must be of a certificate in ACM, in the environment's account and region."
  }

  validation {
    condition     = var.aws.budget_usd >= 0
    error_message = "aws.budget_usd must be 0 (no budget) or more."
  }
}
