"""AWS accounts, ECS, and the client of the local AWS."""
