"""Container images: Docker, the catalogue of images of others, the application's build and push."""
