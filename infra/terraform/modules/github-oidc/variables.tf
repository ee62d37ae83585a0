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
  description = "ARNs of the policies of each GitHub environment's roles, by kind of role (`plan`, `read`, `apply`) and policy."
  type        = map(map(map(string)))

  validation {
    condition     = length(var.environments) > 0 && alltrue([for environment in keys(var.environments) : can(regex("^[a-z][a-z0-9-]{0,23}$", environment))])
    error_message = "environments must be names of lower-case letters, digits or hyphens."
  }

  validation {
    condition     = !contains(keys(var.environments), "preview")
    error_message = "preview is the name of the environment that only pushes images; it cannot be one that is applied."
  }

  validation {
    condition     = alltrue([for kinds in var.environments : toset(keys(kinds)) == toset(["plan", "read", "apply"])])
    error_message = "Each environment has the roles plan, read and apply."
  }

  validation {
    condition     = alltrue(flatten([for kinds in var.environments : [for arns in kinds : length(arns) > 0 && length(arns) <= 10]]))
    error_message = "A role has one to ten policies: IAM attaches no more."
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

variable "create_provider" {
  description = "Whether to make GitHub's identity provider; false where the account has one."
  type        = bool
  default     = true
  nullable    = false
}
