"""What two stages share: Docker, Terraform, the local AWS, Git, Helm, Kubernetes."""
