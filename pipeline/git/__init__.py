"""The repository: read, and committed to without touching the user's branch, index or work tree."""
