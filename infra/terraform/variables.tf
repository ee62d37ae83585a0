variable "environment_file" {
  description = "Path of the environment's desired state, such as ../../environments/staging.yaml."
  type        = string

  validation {
    condition     = fileexists(var.environment_file)
    error_message = "environment_file does not exist."
  }
}
