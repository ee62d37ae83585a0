terraform {
  # Write-only arguments (secrets that never enter the state) need 1.11.
  required_version = ">= 1.11.0, < 2.0.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }

  # Bucket, key and region come from -backend-config; see docs/terraform.md.
  backend "s3" {}
}
