variable "account_id" {
  description = "Account to prepare, 12 digits. Another account's credentials are refused."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits."
  }
}

variable "region" {
  description = "Region of state and registry."
  type        = string
  default     = "us-east-1"

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must be a region's name such as us-east-1."
  }
}

variable "pull_account_ids" {
  description = "Further accounts whose environments run the images of this registry."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for id in var.pull_account_ids : can(regex("^[0-9]{12}$", id))])
    error_message = "pull_account_ids must be account ids of 12 digits."
  }
}

variable "disposable" {
  description = "Allow destroy to delete states and images. For accounts that are thrown away."
  type        = bool
  default     = false
  nullable    = false
}

variable "github_repository" {
  description = "GitHub repository (`owner/name`) whose workflows plan and apply; null makes no roles for GitHub."
  type        = string
  default     = null

  validation {
    condition     = var.github_repository == null || can(regex("^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$", var.github_repository))
    error_message = "github_repository must be owner/name, without wildcards."
  }
}

variable "github_owner_id" {
  description = "GitHub's id of the repository's owner; goes with github_repository."
  type        = string
  default     = null

  validation {
    condition     = (var.github_owner_id == null) == (var.github_repository == null)
    error_message = "github_owner_id goes with github_repository: gh api repos/OWNER/NAME --jq .owner.id"
  }
}

variable "github_repository_id" {
  description = "GitHub's id of the repository; goes with github_repository."
  type        = string
  default     = null

  validation {
    condition     = (var.github_repository_id == null) == (var.github_repository == null)
    error_message = "github_repository_id goes with github_repository: gh api repos/OWNER/NAME --jq .id"
  }
}

variable "environments" {
  description = "Environments of this account: the base of their resources' names, their domain and its zone."
  type = map(object({
    name           = string
    domain         = optional(string)
    hosted_zone_id = optional(string)
  }))

  validation {
    condition     = alltrue([for environment in values(var.environments) : can(regex("^[a-z][a-z0-9-]{1,26}$", environment.name))])
    error_message = "environments must have names of 2 to 27 lower-case letters, digits or hyphens."
  }
}

variable "github_environments" {
  description = "Environments that GitHub's workflows apply; each gets roles of its own."
  type        = set(string)
  default     = []

  validation {
    condition     = length(setsubtract(var.github_environments, keys(var.environments))) == 0
    error_message = "github_environments must be of environments."
  }

  # A name that another begins with would stand for both in a role's policies.
  validation {
    condition = alltrue([
      for pair in setproduct(var.github_environments, var.github_environments) :
      pair[0] == pair[1] || !startswith(var.environments[pair[1]].name, "${var.environments[pair[0]].name}-")
    ])
    error_message = "One environment's names must not begin with another's: set aws.name_suffix in each file."
  }

  validation {
    condition     = !contains(var.github_environments, "bootstrap")
    error_message = "bootstrap is the tag of what all environments share; it cannot be an environment."
  }
}

variable "create_oidc_provider" {
  description = "Whether to make GitHub's identity provider; false where the account has one, which is then used and never destroyed."
  type        = bool
  default     = true
  nullable    = false
}
