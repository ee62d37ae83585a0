terraform {
  # Write-only arguments (secrets that never enter the state) need 1.11.
  required_version = ">= 1.11.0, < 2.0.0"

  required_providers {
    aws = {
      source = "hashicorp/aws"
      # Both majors: docs/terraform.md has what the upgrade guide of 6 says of this configuration.
      version = ">= 5.100.0, < 7.0.0"
    }
  }

  # Bucket, key and region come from -backend-config; see docs/terraform.md.
  backend "s3" {}
}
