"""Where the application runs: ECS, Kubernetes, Compose."""
