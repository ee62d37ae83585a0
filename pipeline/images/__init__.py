"""Container images: Docker, build, push, registries, bases."""
