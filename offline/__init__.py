"""What stands in where no container registry answers: Docker, base images, a Kubernetes from source."""
