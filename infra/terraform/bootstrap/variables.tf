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

variable "github_environments" {
  description = "GitHub environments that apply into this account."
  type        = set(string)
  default     = ["production", "staging"]

  validation {
    condition     = length(var.github_environments) > 0
    error_message = "github_environments must not be empty."
  }
}
