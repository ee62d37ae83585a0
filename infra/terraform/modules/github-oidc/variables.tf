variable "name" {
  description = "Base of the roles' names."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,17}$", var.name))
    error_message = "name must be 2 to 18 lower-case letters, digits or hyphens."
  }
}

variable "account_id" {
  description = "Account that the roles are in."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits."
  }
}

variable "repository" {
  description = "GitHub repository, `owner/name`."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$", var.repository))
    error_message = "github_repository must be owner/name, without wildcards."
  }
}

variable "owner_id" {
  description = "GitHub's id of the repository's owner, digits."
  type        = string

  validation {
    condition     = can(regex("^[0-9]+$", var.owner_id))
    error_message = "owner_id must be digits: gh api repos/OWNER/NAME --jq .owner.id"
  }
}

variable "repository_id" {
  description = "GitHub's id of the repository, digits."
  type        = string

  validation {
    condition     = can(regex("^[0-9]+$", var.repository_id))
    error_message = "repository_id must be digits: gh api repos/OWNER/NAME --jq .id"
  }
}

variable "branch" {
  description = "Branch whose jobs may plan."
  type        = string
  default     = "main"

  validation {
    condition     = can(regex("^[A-Za-z0-9._/-]+$", var.branch))
    error_message = "branch must be a branch's name, without wildcards."
  }
}

variable "environments" {
  description = "GitHub environments; each has an apply role of its own."
  type        = set(string)
  default     = ["production", "staging"]

  validation {
    condition     = length(var.environments) > 0 && alltrue([for environment in var.environments : can(regex("^[a-z][a-z0-9-]{0,23}$", environment))])
    error_message = "environments must be names of lower-case letters, digits or hyphens."
  }

  validation {
    condition     = !contains(var.environments, "preview")
    error_message = "preview is the name of the environment that only pushes images; it cannot be one that is applied."
  }
}

variable "read_policy_arns" {
  description = "Policies of every role, by name."
  type        = map(string)

  validation {
    condition     = length(var.read_policy_arns) > 0
    error_message = "read_policy_arns must not be empty."
  }
}

variable "write_policy_arns" {
  description = "Policies of the apply roles, by name. IAM allows ten policies a role."
  type        = map(string)

  validation {
    condition     = length(var.write_policy_arns) > 0 && length(var.write_policy_arns) + length(var.read_policy_arns) <= 10
    error_message = "write_policy_arns must be one to nine: IAM attaches at most ten policies to a role."
  }
}

variable "preview_policy_arns" {
  description = "Policies of the role that pushes the images of previews, by name; empty makes no such role."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for arn in values(var.preview_policy_arns) : startswith(arn, "arn:")])
    error_message = "preview_policy_arns must be ARNs of policies."
  }
}
