"""The desired state: environments, image references, history, acknowledgements."""
